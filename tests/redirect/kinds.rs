//! The credential headers of different vendors.

use std::time::Duration;

use auth_core::{Authenticator, AuthenticatorOptions, Origins, RefreshPolicy, Scheme};
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
        scheme: || {
            Scheme::authorization("bearer ")
                .unwrap()
                .and_header(APP_HEADER, APP_ID)
                .unwrap()
        },
        headers: &[("authorization", "bearer fake-token-1"), ("appid", APP_ID)],
        secrets: &[TOKEN, APP_ID],
    },
    Kind {
        scheme: || {
            Scheme::header(SECRET_HEADER)
                .unwrap()
                .and_header(ID_HEADER, CLIENT_ID)
                .unwrap()
        },
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
        // Time is real: no renewal is delayed.
        let policy = RefreshPolicy::default()
            .min_interval(Duration::from_nanos(1))
            .unwrap();
        let origins = Origins::danger_allow_http([home]).unwrap();
        Authenticator::builder(ScriptedSource::new(), origins)
            .vendor("example")
            .scheme((self.scheme)())
            .options(AuthenticatorOptions::new().policy(policy))
            .build()
            .unwrap()
    }

    /// Same as `authenticator`, with a token that the API has accepted once, so that it is not on
    /// trial.
    pub(crate) async fn accepted(&self, home: &str) -> Authenticator {
        let authenticator = self.authenticator(home);
        let token = authenticator.token().await.unwrap();
        authenticator.report_accepted(token.generation());
        authenticator
    }

    /// Returns the texts that no other origin may receive.
    pub(crate) fn secrets(&self) -> &'static [&'static str] {
        self.secrets
    }

    /// Returns how many credential headers a client keeps that removes only `Authorization`.
    pub(crate) fn custom(&self) -> usize {
        let custom = |&&(name, _): &&(&str, &str)| name != "authorization";
        self.headers.iter().filter(custom).count()
    }

    /// Returns whether a request carried the whole credential.
    pub(crate) fn signed(&self, request: &RecordedRequest) -> bool {
        let mut headers = self.headers.iter();
        headers.all(|&(name, value)| request.expose_header(name) == Some(value))
    }

    /// Returns whether a request carried no part of the credential.
    pub(crate) fn bare(&self, request: &RecordedRequest) -> bool {
        let mut headers = self.headers.iter();
        headers.all(|(name, _)| request.expose_header(name).is_none())
    }
}
