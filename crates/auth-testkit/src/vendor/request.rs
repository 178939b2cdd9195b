use std::fmt;

use http::{HeaderMap, Method, Uri};
use serde_json::Value;

use crate::{
    Answer, IssuedToken, OAuthParams, OAuthRefusal, api, incoming::Incoming, token_endpoint,
};

/// A request to a vendor's rules, with the server's memory to answer from; see
/// [`VendorRules`](crate::VendorRules).
///
/// Its body was read to the end. The methods that check a request count what is wrong with it.
/// Rules with their own checks call [`refused`](Self::refused) and
/// [`failed_login`](Self::failed_login).
#[derive(Clone, Copy)]
pub struct VendorRequest<'a>(Incoming<'a>);

impl<'a> VendorRequest<'a> {
    pub(crate) fn new(incoming: Incoming<'a>) -> Self {
        Self(incoming)
    }

    /// Returns the method.
    #[must_use]
    pub fn method(&self) -> &'a Method {
        &self.0.parts.method
    }

    /// Returns the request target as it was sent.
    #[must_use]
    pub fn uri(&self) -> &'a Uri {
        &self.0.parts.uri
    }

    /// Returns the path, without the query.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.0.path()
    }

    /// Returns the headers.
    #[must_use]
    pub fn headers(&self) -> &'a HeaderMap {
        &self.0.parts.headers
    }

    /// Returns the text of a header that is present exactly once.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let mut lines = self.0.parts.headers.get_all(name).iter();
        match (lines.next(), lines.next()) {
            (Some(line), None) => line.to_str().ok(),
            _ => None,
        }
    }

    /// Returns the token of `Authorization: Bearer`, with the scheme in any case (RFC 9110 section
    /// 11.1).
    #[must_use]
    pub fn bearer_token(&self) -> Option<&'a str> {
        let (scheme, token) = self.header("authorization")?.split_once(' ')?;
        scheme.eq_ignore_ascii_case("bearer").then_some(token)
    }

    /// Returns the body; of a long body only the first 64 KiB.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        &self.0.upload.kept
    }

    /// Returns the client's id.
    #[must_use]
    pub fn client_id(&self) -> &'a str {
        &self.0.state.settings.client_id
    }

    /// Returns the client's current secret.
    #[must_use]
    pub fn client_secret(&self) -> String {
        self.0.state.client_secret()
    }

    /// Returns whether these are the user's current name and password.
    #[must_use]
    pub fn is_user(&self, name: &str, password: &str) -> bool {
        self.0.state.is_user(name, password)
    }

    /// Reads the parameters in the body, in one of the accepted formats.
    ///
    /// # Errors
    ///
    /// The refusal of RFC 6749, which was counted: the content type or the body is invalid, or a
    /// parameter is repeated.
    pub fn params(&self) -> Result<OAuthParams, OAuthRefusal> {
        token_endpoint::params(&self.0)
    }

    /// Checks a token request by RFC 6749: method, body, client authentication, grant. Only
    /// [`standard_token`](Self::standard_token) accepts refresh tokens.
    ///
    /// # Errors
    ///
    /// The refusal of RFC 6749, which was counted.
    pub fn check_oauth(&self) -> Result<OAuthParams, OAuthRefusal> {
        token_endpoint::check(&self.0)
    }

    /// Checks a token request as [`check_oauth`](Self::check_oauth), and that it uses this grant:
    /// for vendors with one grant.
    ///
    /// # Errors
    ///
    /// The refusal of RFC 6749, which was counted.
    pub fn check_grant(&self, grant: &str) -> Result<OAuthParams, OAuthRefusal> {
        let params = self.check_oauth()?;
        match params.get("grant_type") {
            Some(found) if found == grant => Ok(params),
            _ => self.refuse("unauthorized_client", "this grant is not supported here"),
        }
    }

    /// Answers a token request of the client credentials grant: as RFC 6749 says, if the request
    /// names exactly these audiences (parameter `audience`), in this order.
    pub fn client_credentials(&self, audiences: &[&str]) -> Answer {
        let checked = self.check_grant("client_credentials").and_then(|params| {
            if params.all("audience").eq(audiences.iter().copied()) {
                Ok(params)
            } else {
                self.refuse("invalid_request", "the audience is wrong here")
            }
        });
        match checked {
            Ok(params) => self.standard_reply(self.scope(&params)),
            Err(refusal) => refusal.into_answer(),
        }
    }

    /// Checks a token request as [`check_oauth`](Self::check_oauth), except the grant: for vendors
    /// with their own grant.
    ///
    /// # Errors
    ///
    /// The refusal of RFC 6749, which was counted.
    pub fn check_client(&self) -> Result<OAuthParams, OAuthRefusal> {
        token_endpoint::check_client(&self.0)
    }

    /// Refuses a token request as RFC 6749 section 5.2 says, and counts it.
    ///
    /// # Errors
    ///
    /// Always the refusal, so that it can be used like the checks.
    pub fn refuse<T>(&self, code: &'static str, why: &'static str) -> Result<T, OAuthRefusal> {
        token_endpoint::refuse(&self.0, code, why)
    }

    /// Counts a refusal of the token side under this code.
    pub fn refused(&self, code: &str) {
        self.0.state.tally.refused(code);
    }

    /// Counts a token request with wrong credentials.
    pub fn failed_login(&self) {
        self.0.state.tally.failed_login();
    }

    /// Issues a token, as the script says.
    #[must_use]
    pub fn issue(&self) -> IssuedToken {
        token_endpoint::mint(&self.0)
    }

    /// Creates a reply with a token, with the script's changes of its members.
    pub fn token_reply<'m>(&self, members: impl IntoIterator<Item = (&'m str, Value)>) -> Answer {
        token_endpoint::reply(&self.0, members)
    }

    /// Issues a token and replies as RFC 6749 section 5.1 says, with this scope.
    pub fn standard_reply(&self, scope: &str) -> Answer {
        token_endpoint::issue(&self.0, scope)
    }

    /// Returns the scope for a request with these parameters: the requested one, or the default.
    #[must_use]
    pub fn scope<'p>(&self, params: &'p OAuthParams) -> &'p str
    where
        'a: 'p,
    {
        token_endpoint::scope(&self.0, params)
    }

    /// Looks up a token that came with an API request, counts its use, and returns its number if it
    /// is valid now.
    #[must_use]
    pub fn accept(&self, token: &str) -> Option<u64> {
        self.0.accept(token)
    }

    /// Returns the number of the Bearer token (RFC 6750) of an API request if it is valid now, as
    /// [`accept`](Self::accept) does.
    #[must_use]
    pub fn accept_bearer(&self) -> Option<u64> {
        self.accept(self.bearer_token()?)
    }

    /// Returns whether the API must refuse everything; for vendors without tokens, because
    /// [`accept`](Self::accept) checks it.
    #[must_use]
    pub fn refuses_all(&self) -> bool {
        self.0.state.ledger(|ledger| ledger.refuses_all())
    }

    /// Returns the usual answer to a valid API request; see [`TestServer`](crate::TestServer). The
    /// number is the token's.
    pub fn ok(&self, number: u64) -> Answer {
        api::ok(&self.0, number)
    }

    /// Records a secret that the rules created, for
    /// [`expose_secrets`](crate::TestServer::expose_secrets).
    pub fn remember_secret(&self, secret: impl Into<String>) {
        self.0.state.remember_secret(secret.into());
    }

    /// Answers as RFC 6749 says.
    pub fn standard_token(&self) -> Answer {
        token_endpoint::answer(&self.0)
    }

    /// Answers as RFC 6750 says.
    pub fn standard_api(&self) -> Answer {
        api::answer(&self.0)
    }
}

impl fmt::Debug for VendorRequest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VendorRequest")
            .field("method", self.method())
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}
