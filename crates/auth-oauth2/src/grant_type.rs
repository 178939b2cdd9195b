//! The values of the parameter `grant_type`.

pub(crate) const CLIENT_CREDENTIALS: &str = "client_credentials";
pub(crate) const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
/// Also the name of the grant's parameter.
pub(crate) const PASSWORD: &str = "password";
/// Also the name of the grant's parameter.
pub(crate) const REFRESH_TOKEN: &str = "refresh_token";
pub(crate) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
