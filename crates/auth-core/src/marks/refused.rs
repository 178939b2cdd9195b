/// Marks a response as a refusal of the token: a layer below `AuthLayer` puts this into a
/// response's extensions to say that the API refused the token.
///
/// For APIs that say so where no head can tell, for example in the body of a 404. `AuthLayer`
/// takes a marked response as it takes a 401: the token is replaced once, and the request is sent
/// once more.
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
