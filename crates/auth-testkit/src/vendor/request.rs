use std::{fmt, time::Duration};

use http::{HeaderMap, Method, Uri, request::Parts};
use serde_json::Value;

use crate::{
    Answer, OAuthParams, OAuthRefusal, api,
    reply::{Edit, Mint},
    state::State,
    token_endpoint,
    upload::Upload,
};

/// A request as the rules of a vendor see it, and the server's memory to answer from; see
/// [`VendorRules`](crate::VendorRules).
///
/// Its body was read to the end. What is wrong with a request is counted by the methods that find
/// it; rules that find something by themselves tell by [`refused`](Self::refused) and
/// [`failed_login`](Self::failed_login).
#[derive(Clone, Copy)]
pub struct VendorRequest<'a> {
    pub(crate) state: &'a State,
    pub(crate) parts: &'a Parts,
    pub(crate) upload: &'a Upload,
    pub(crate) mint: &'a Mint,
    pub(crate) edits: &'a [Edit],
    pub(crate) slot: Option<u64>,
}

impl<'a> VendorRequest<'a> {
    /// Returns the method.
    #[must_use]
    pub fn method(&self) -> &'a Method {
        &self.parts.method
    }

    /// Returns the request target as it was sent.
    #[must_use]
    pub fn uri(&self) -> &'a Uri {
        &self.parts.uri
    }

    /// Returns the path, without the query.
    #[must_use]
    pub fn path(&self) -> &'a str {
        self.parts.uri.path()
    }

    /// Returns the headers.
    #[must_use]
    pub fn headers(&self) -> &'a HeaderMap {
        &self.parts.headers
    }

    /// Returns the text of a header that is there exactly once.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        let mut lines = self.parts.headers.get_all(name).iter();
        match (lines.next(), lines.next()) {
            (Some(line), None) => line.to_str().ok(),
            _ => None,
        }
    }

    /// Returns the body, of a long one only the first 64 KiB.
    #[must_use]
    pub fn body(&self) -> &'a [u8] {
        &self.upload.kept
    }

    /// Returns the client's id.
    #[must_use]
    pub fn client_id(&self) -> &'a str {
        &self.state.settings.client_id
    }

    /// Returns the client's secret as it is now.
    #[must_use]
    pub fn client_secret(&self) -> String {
        self.state.client_secret()
    }

    /// Returns the user's name and password as they are now, if there is a user.
    #[must_use]
    pub fn user(&self) -> Option<(String, String)> {
        self.state.user()
    }

    /// Reads the parameters in the body, in one of the formats that the server was made to take.
    ///
    /// # Errors
    ///
    /// The refusal of RFC 6749: the content type or the body is not what it should be, a parameter
    /// is there twice. It was counted.
    pub fn params(&self) -> Result<OAuthParams, OAuthRefusal> {
        self.count(token_endpoint::params(self.state, self.parts, self.upload))
    }

    /// Checks a token request by RFC 6749: method, body, client authentication, grant. Refreshes are
    /// for [`standard_token`](Self::standard_token) alone.
    ///
    /// # Errors
    ///
    /// The refusal of RFC 6749. It was counted.
    pub fn check_oauth(&self) -> Result<OAuthParams, OAuthRefusal> {
        self.count(token_endpoint::check(self.state, self.parts, self.upload))
    }

    /// Checks a token request by RFC 6749 as [`check_oauth`](Self::check_oauth) does, but for the
    /// grant: for vendors with a grant of their own.
    ///
    /// # Errors
    ///
    /// The refusal of RFC 6749. It was counted.
    pub fn check_client(&self) -> Result<OAuthParams, OAuthRefusal> {
        let checked = token_endpoint::check_client(self.state, self.parts, self.upload);
        self.count(checked)
    }

    /// Refuses a token request as RFC 6749 section 5.2 says, and counts it.
    ///
    /// # Errors
    ///
    /// Always the refusal, so that it reads like the checks.
    pub fn refuse<T>(&self, code: &'static str, why: &'static str) -> Result<T, OAuthRefusal> {
        self.count(Err(OAuthRefusal::new(code, why)))
    }

    /// Counts a refusal of the token side under this code.
    pub fn refused(&self, code: &str) {
        self.state.tally.refused(code);
    }

    /// Counts a token request with wrong credentials.
    pub fn failed_login(&self) {
        self.state.tally.failed_login();
    }

    /// Issues a token, the one that the script plans.
    #[must_use]
    pub fn issue(&self) -> IssuedToken {
        token_endpoint::mint(self)
    }

    /// Makes a reply that brings a token, with the changes that the script plans for its members.
    pub fn token_reply<'m>(&self, members: impl IntoIterator<Item = (&'m str, Value)>) -> Answer {
        token_endpoint::reply(members, self.edits)
    }

    /// Issues a token and replies as RFC 6749 section 5.1 says, with this scope.
    pub fn standard_reply(&self, scope: &str) -> Answer {
        token_endpoint::issue(self, scope)
    }

    /// Returns the scope for a request with these parameters: what it asks for, or the default.
    #[must_use]
    pub fn scope<'p>(&self, params: &'p OAuthParams) -> &'p str
    where
        'a: 'p,
    {
        params.get("scope").unwrap_or(&self.state.settings.scope)
    }

    /// Looks up a token that came with an API request, counts its use, and returns its number if it
    /// is valid now.
    #[must_use]
    pub fn accept(&self, token: &str) -> Option<u64> {
        let now = self.state.now();
        self.state.ledger(|ledger| ledger.check(token, now))
    }

    /// Tells whether the API is to refuse everything; for vendors without tokens, because
    /// [`accept`](Self::accept) knows it.
    #[must_use]
    pub fn refuses_all(&self) -> bool {
        self.state.ledger(|ledger| ledger.refuses_all())
    }

    /// Returns the usual answer to an API request that is in order; see
    /// [`TestServer`](crate::TestServer). The number is the token's.
    pub fn ok(&self, number: u64) -> Answer {
        api::ok(self, number)
    }

    /// Remembers a secret of the vendor's own making, for
    /// [`expose_secrets`](crate::TestServer::expose_secrets).
    pub fn remember_secret(&self, secret: impl Into<String>) {
        self.state.remember_secret(secret.into());
    }

    /// Answers as RFC 6749 says.
    pub fn standard_token(&self) -> Answer {
        token_endpoint::answer(self)
    }

    /// Answers as RFC 6750 says.
    pub fn standard_api(&self) -> Answer {
        api::answer(self)
    }

    pub(crate) fn count<T>(&self, result: Result<T, OAuthRefusal>) -> Result<T, OAuthRefusal> {
        result.inspect_err(|refusal| {
            self.refused(refusal.code());
            if refusal.is_failed_login() {
                self.failed_login();
            }
        })
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

/// A token that a [`VendorRequest`] brought.
#[derive(Clone)]
pub struct IssuedToken {
    pub(crate) token: String,
    pub(crate) lifetime: Duration,
}

impl IssuedToken {
    /// Returns the token itself.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Returns how long it is to live, as far as the client is told.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }
}

impl fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedToken")
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}
