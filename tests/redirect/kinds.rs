//! The headers in which vendors want their credentials.

use auth_core::{Authenticator, Origins, Scheme};
use auth_testkit::{RecordedRequest, ScriptedSource};
use http::HeaderName;

const TOKEN: &str = "fake-token-1";
const APP_ID: &str = "fake-app-id-1";
const CLIENT_ID: &str = "fake-client-id-1";

/// The credential headers of one vendor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kind {
    scheme: fn() -> Scheme,
    headers: &'static [(&'static str, &'static str)],
    secrets: &'static [&'static str],
}

pub(crate) const KINDS: [Kind; 3] = [
    Kind {
        scheme: Scheme::bearer,
        headers: &[("authorization", "Bearer fake-token-1")],
        secrets: &[TOKEN],
    },
    Kind {
        scheme: || Scheme::authorization("bearer ").and_header(APP_HEADER, APP_ID),
        headers: &[("authorization", "bearer fake-token-1"), ("appid", APP_ID)],
        secrets: &[TOKEN, APP_ID],
    },
    Kind {
        scheme: || Scheme::header(SECRET_HEADER).and_header(ID_HEADER, CLIENT_ID),
        headers: &[("clientsecret", TOKEN), ("clientid", CLIENT_ID)],
        secrets: &[TOKEN, CLIENT_ID],
    },
];

const APP_HEADER: HeaderName = HeaderName::from_static("appid");
const SECRET_HEADER: HeaderName = HeaderName::from_static("clientsecret");
const ID_HEADER: HeaderName = HeaderName::from_static("clientid");

impl Kind {
    /// Returns an authenticator that signs requests to this origin only.
    pub(crate) fn authenticator(&self, home: &str) -> Authenticator {
        Authenticator::builder(ScriptedSource::new())
            .vendor("example")
            .scheme((self.scheme)())
            .origins(Origins::danger_allow_http([home]).unwrap())
            .build()
            .unwrap()
    }

    /// Returns the texts that no other origin may see.
    pub(crate) fn secrets(&self) -> &'static [&'static str] {
        self.secrets
    }

    /// Returns how many credential headers a client takes along that strips only `Authorization`.
    pub(crate) fn custom(&self) -> usize {
        let custom = |&&(name, _): &&(&str, &str)| name != "authorization";
        self.headers.iter().filter(custom).count()
    }

    /// Tells whether a request carried the whole credential.
    pub(crate) fn signed(&self, request: &RecordedRequest) -> bool {
        let mut headers = self.headers.iter();
        headers.all(|&(name, value)| request.expose_header(name) == Some(value))
    }

    /// Tells whether a request carried no part of the credential.
    pub(crate) fn bare(&self, request: &RecordedRequest) -> bool {
        let mut headers = self.headers.iter();
        headers.all(|(name, _)| request.expose_header(name).is_none())
    }
}
