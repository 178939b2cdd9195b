/// The token endpoints of Kaizen's Central server from before July 2023.
///
/// They want `audience=organize` in the request, which the current ones do not. Take one only if
/// the current endpoint does not know your client; hand it to
/// [`KaizenBuilder::legacy`](crate::KaizenBuilder::legacy).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LegacyEndpoint {
    /// On the API's own host: `https://kaizen.coppertreeanalytics.com/oauth/token`.
    ApiHost,
    /// On the login host of old: `https://login-global.coppertreeanalytics.com/oauth/token`.
    LoginGlobal,
}

impl LegacyEndpoint {
    /// What these endpoints are asked a token for.
    pub const AUDIENCE: &'static str = "organize";

    /// Returns the endpoint's URL.
    #[must_use]
    pub const fn url(self) -> &'static str {
        match self {
            Self::ApiHost => "https://kaizen.coppertreeanalytics.com/oauth/token",
            Self::LoginGlobal => "https://login-global.coppertreeanalytics.com/oauth/token",
        }
    }
}
