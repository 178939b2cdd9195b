/// Marks the response to a followed redirect. A client below `AuthLayer` that followed a redirect
/// puts this mark into the extensions of the last response.
///
/// Such a response answers another request than the one that was sent: the URI or the method is
/// different. A refusal (401) in such a response refuses the followed request only. The request
/// that was sent may have been carried out; for example, an order may have been placed. So
/// `AuthLayer` replaces the token and does not replay a request with an unsafe method (RFC 9110
/// section 9.2.1).
///
/// A redirect that a client returns as a 3xx response needs no mark.
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

/// Marks a response of a client that follows redirects and cannot tell whether it followed one.
///
/// A refusal (401) in such a response may answer the request that was sent, or the request after a
/// redirect. In the second case the request that was sent may have been carried out. So `AuthLayer`
/// replaces the token, and replays a request only if its method is idempotent (RFC 9110 section
/// 9.2.2): no POST and no PATCH.
///
/// A client that can tell uses [`Redirected`] or, if it followed no redirect, no mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(
    clippy::exhaustive_structs,
    reason = "a marker, made by other crates and never to grow"
)]
pub struct RedirectsUnseen;
