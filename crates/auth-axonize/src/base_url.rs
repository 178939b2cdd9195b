use auth_core::{Error, Origins, SharedTransport};
use auth_oauth2::TokenEndpoint;

use crate::VENDOR;

const FIELD: &str = "base_url";

/// Where a customer's API is; the logins stand below it.
#[derive(Clone, Debug)]
pub(crate) struct BaseUrl {
    pub(crate) url: String,
    pub(crate) http_loopback: bool,
}

impl BaseUrl {
    pub(crate) fn new(url: String) -> Self {
        Self {
            url,
            http_loopback: false,
        }
    }

    pub(crate) fn origins(&self) -> Result<Origins, Error> {
        Origins::of_base_url(&self.url, self.http_loopback)
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
        match self.http_loopback {
            true => TokenEndpoint::danger_allow_http_loopback(VENDOR, FIELD, &url, transport),
            false => TokenEndpoint::new(VENDOR, FIELD, &url, transport),
        }
    }
}
