use std::sync::Arc;

use auth_core::{Error, ErrorKind, HttpHosts, TokenRequestOutcome};
use http::Uri;

use crate::token_url;

/// An issuer identifier (RFC 8414 section 2), as written in the settings.
#[derive(Clone, Debug)]
pub(crate) struct Issuer {
    text: Arc<str>,
    host: Arc<str>,
    /// In the order of the requests.
    documents: [Uri; 2],
}

impl Issuer {
    pub(crate) fn parse(text: &str, http: &HttpHosts) -> Result<Self, Error> {
        let uri = token_url::check(FIELD, text, http)?;
        if uri.query().is_some() {
            let problem =
                "has a query (?...), which an issuer must not have (RFC 8414 section 2); remove it";
            return Err(Error::config(FIELD, problem));
        }
        let host = uri.host().unwrap_or_default();
        let documents = documents(&uri).map(|text| text.parse()).map(|uri| {
            uri.map_err(|_| {
                Error::config(
                    FIELD,
                    "is not a URL; set an absolute URL, for example https://login.example.com",
                )
            })
        });
        let [first, second] = documents;
        Ok(Self {
            text: text.into(),
            host: host.into(),
            documents: [first?, second?],
        })
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.text
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn documents(&self) -> &[Uri; 2] {
        &self.documents
    }

    /// Makes the error of a failed discovery. The token request was not sent.
    pub(super) fn failed(&self, kind: ErrorKind, message: String) -> Error {
        self.located(Error::new(kind, format!("discovery: {message}")))
    }

    pub(super) fn located(&self, error: Error) -> Error {
        error
            .with_vendor(self.host.to_string())
            .with_host(self.host.to_string())
            .with_step("discovery")
            .with_outcome(TokenRequestOutcome::NotSent)
    }
}

/// Returns the URLs of the documents, the OpenID form first. Both specifications remove a final
/// slash.
fn documents(issuer: &Uri) -> [String; 2] {
    let scheme = issuer.scheme_str().unwrap_or_default();
    let authority = issuer
        .authority()
        .map_or("", |authority| authority.as_str());
    let path = issuer.path();
    let path = path.strip_suffix('/').unwrap_or(path);
    [
        format!("{scheme}://{authority}{path}/.well-known/openid-configuration"),
        format!("{scheme}://{authority}/.well-known/oauth-authorization-server{path}"),
    ]
}

pub(super) const FIELD: &str = "issuer";

#[cfg(test)]
mod tests {
    use super::*;

    fn documents_of(issuer: &str) -> [String; 2] {
        let issuer = Issuer::parse(issuer, &HttpHosts::default()).unwrap();
        issuer.documents().clone().map(|uri| uri.to_string())
    }

    /// The examples of RFC 8414 section 3.1 and OpenID Connect Discovery 1.0 section 4.1.
    #[test]
    fn s38_both_well_known_urls_are_derived_from_the_issuer() {
        for issuer in ["https://example.com", "https://example.com/"] {
            let [openid, oauth] = documents_of(issuer);
            assert_eq!(
                openid,
                "https://example.com/.well-known/openid-configuration"
            );
            assert_eq!(
                oauth,
                "https://example.com/.well-known/oauth-authorization-server"
            );
        }
        for issuer in [
            "https://example.com/issuer1",
            "https://example.com/issuer1/",
        ] {
            let [openid, oauth] = documents_of(issuer);
            assert_eq!(
                openid,
                "https://example.com/issuer1/.well-known/openid-configuration"
            );
            assert_eq!(
                oauth,
                "https://example.com/.well-known/oauth-authorization-server/issuer1"
            );
        }
        let [openid, oauth] = documents_of("https://Example.com:8443/a/b%20c");
        assert_eq!(
            openid,
            "https://Example.com:8443/a/b%20c/.well-known/openid-configuration"
        );
        assert_eq!(
            oauth,
            "https://Example.com:8443/.well-known/oauth-authorization-server/a/b%20c"
        );
    }

    #[test]
    fn s38_an_invalid_issuer_is_a_config_error() {
        for text in [
            "",
            "example.com",
            "http://example.com",
            "http://127.0.0.1:8080",
            "https://example.com?tenant=1",
            "https://example.com/#tenant",
            "https://me:fake-password@example.com",
        ] {
            let error = Issuer::parse(text, &HttpHosts::default()).unwrap_err();
            let facts = (error.kind(), error.field());
            assert_eq!(facts, (ErrorKind::Config, Some("issuer")), "{text}");
            assert!(!error.to_string().contains("fake-password"));
        }
    }
}
