use auth_core::{Error, HttpHosts, Origins, SharedTransport};
use auth_oauth2::TokenEndpoint;

use crate::VENDOR;

const FIELD: &str = "base_url";

/// The URL of a customer's API. The logins are below it.
#[derive(Clone, Debug)]
pub(crate) struct BaseUrl {
    pub(crate) url: String,
    pub(crate) http: HttpHosts,
}

impl BaseUrl {
    pub(crate) fn new(url: String) -> Self {
        Self {
            url,
            http: HttpHosts::default(),
        }
    }

    pub(crate) fn origins(&self) -> Result<Origins, Error> {
        Origins::of_url(FIELD, &self.url, &self.http)
    }

    pub(crate) fn endpoint(
        &self,
        path: &str,
        transport: &SharedTransport,
    ) -> Result<TokenEndpoint, Error> {
        if self.url.contains(['?', '#']) {
            return Err(Error::config(FIELD, "must not have a query or a fragment"));
        }
        let url = format!("{}{path}", self.url.trim_end_matches('/'));
        let transport = transport.clone();
        TokenEndpoint::danger_allow_http(VENDOR, FIELD, &url, transport, &self.http)
    }
}
