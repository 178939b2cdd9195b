/// Marks a response that answers a followed redirect: a client below `AuthLayer` followed a
/// redirect and puts this into the extensions of the last response.
///
/// Such a response answers another request than the one that was sent, with another URI or another
/// method. A refusal in such a response (401) is a refusal of the followed request only: the
/// request that was sent may have been carried out, an order may have been placed. So `AuthLayer`
/// replaces the token and does not send a request with an unsafe method (RFC 9110 section 9.2.1)
/// once more.
///
/// A client needs no mark for a redirect that it returns as a 3xx response.
///
/// # Example
///
/// ```
/// use auth_core::Redirected;
/// use http::Response;
///
/// let mut response = Response::new(());
/// response.extensions_mut().insert(Redirected);
/// assert!(response.extensions().get::<Redirected>().is_some());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(
    clippy::exhaustive_structs,
    reason = "a marker, made by other crates and never to grow"
)]
pub struct Redirected;

/// Marks a response of a client that may have followed a redirect and cannot tell whether it did.
///
/// A refusal (401) in such a response may answer the request that was sent, or the request after a
/// redirect. In the second case the request that was sent may have been carried out. So `AuthLayer`
/// replaces the token, and sends a request once more only if its method is idempotent (RFC 9110
/// section 9.2.2): no POST and no PATCH.
///
/// A client that knows more uses no mark (no redirect was followed) or [`Redirected`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(
    clippy::exhaustive_structs,
    reason = "a marker, made by other crates and never to grow"
)]
pub struct RedirectsUnseen;
