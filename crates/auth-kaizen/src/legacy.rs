/// The token endpoints of Kaizen's Central server from before July 2023.
///
/// They require `audience=organize` in the request; the current endpoints do not. Use one only if
/// the current endpoint does not know your client: pass it to
/// [`KaizenBuilder::legacy`](crate::KaizenBuilder::legacy).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum LegacyEndpoint {
    /// On the API's own host: `https://kaizen.coppertreeanalytics.com/oauth/token`.
    ApiHost,
    /// On the former login host: `https://login-global.coppertreeanalytics.com/oauth/token`.
    LoginGlobal,
}

impl LegacyEndpoint {
    /// The audience that these endpoints require.
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
