use auth_core::Error;
use auth_oauth2::AssertionContext;

/// The claim `aud` of an assertion: the server that the assertion is for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum JwtAudience {
    /// The authorization server's issuer identifier, from
    /// [`ClientBuilder::issuer`](auth_oauth2::ClientBuilder::issuer) or
    /// [`Client::discover`](auth_oauth2::Client::discover). The only safe value if the token
    /// endpoint comes from metadata: hostile metadata then cannot obtain an assertion that another
    /// server accepts (CVE-2025-27370, CVE-2025-27371).
    #[default]
    Issuer,
    /// The URL of the token endpoint, for servers that require it, for example Entra ID and Okta.
    TokenEndpoint,
    /// A fixed text, for example `https://login.salesforce.com`.
    Fixed(String),
    /// No `aud`, for JWTs that are not assertions of RFC 7523, for example those of a GitHub App.
    Omitted,
}

impl JwtAudience {
    pub(crate) fn resolve<'a>(
        &'a self,
        context: &AssertionContext<'a>,
    ) -> Result<Option<&'a str>, Error> {
        match self {
            Self::Issuer => match context.issuer {
                Some(issuer) => Ok(Some(issuer)),
                None => Err(Error::config(
                    "issuer",
                    "is missing, and a signed assertion names the authorization server by it \
                     (`aud`): set it with `ClientBuilder::issuer`, or choose another \
                     `JwtSigner::audience`",
                )),
            },
            Self::TokenEndpoint => Ok(Some(context.token_endpoint)),
            Self::Fixed(text) => Ok(Some(text)),
            Self::Omitted => Ok(None),
        }
    }
}
