/// Marks a response as a refusal of the token. A layer below `AuthLayer` puts this mark into the
/// extensions of a response in which the API refuses the token.
///
/// For APIs whose status and headers do not show a refusal, for example if the body of a 404 does.
/// `AuthLayer` treats a marked response like a 401: the token is replaced once, and the request is
/// replayed once.
///
/// # Example
///
/// ```
/// use auth_core::TokenRefused;
/// use http::Response;
///
/// let mut response = Response::new(());
/// response.extensions_mut().insert(TokenRefused);
/// assert!(response.extensions().get::<TokenRefused>().is_some());
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(
    clippy::exhaustive_structs,
    reason = "a marker, made by other crates and never to grow"
)]
pub struct TokenRefused;
