//! Converts the URL of a request to a URI.

use std::sync::OnceLock;

use http::{Uri, uri};
use reqwest::Url;

/// Converts URLs to URIs. Nearly all requests of a client go to one origin, so scheme and authority
/// of the first URL are parsed once and kept.
#[derive(Clone, Debug, Default)]
pub(super) struct Targets(OnceLock<Origin>);

#[derive(Clone, Debug)]
struct Origin {
    /// Scheme, host and port as written at the start of a URL.
    text: String,
    scheme: uri::Scheme,
    authority: uri::Authority,
}

impl Targets {
    /// Parses the URL as the client does. Returns a URI without an origin if the URL cannot be
    /// parsed.
    pub(super) fn read(&self, url: &Url) -> Uri {
        let url = url.as_str();
        let Some(origin) = self.0.get() else {
            return self.read_first(url);
        };
        // A path follows, so the authority ends where it should.
        match url.strip_prefix(&*origin.text) {
            Some(path) if path.starts_with('/') => origin.with(path),
            _ => url.parse().unwrap_or_default(),
        }
    }

    #[cold]
    fn read_first(&self, url: &str) -> Uri {
        let uri: Uri = url.parse().unwrap_or_default();
        if let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) {
            // User information may be a secret.
            if !authority.as_str().contains('@') {
                self.0.get_or_init(|| Origin {
                    text: format!("{scheme}://{authority}"),
                    scheme: scheme.clone(),
                    // A separate allocation: the rest of the URL may be a secret too.
                    authority: authority.as_str().parse().unwrap_or(authority.clone()),
                });
            }
        }
        uri
    }
}

impl Origin {
    fn with(&self, path: &str) -> Uri {
        let mut parts = uri::Parts::default();
        parts.scheme = Some(self.scheme.clone());
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = path.parse().ok();
        Uri::from_parts(parts).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const URLS: [&str; 15] = [
        "https://api.example.com",
        "https://api.example.com/",
        "https://api.example.com/a/b?c=d&e",
        "https://api.example.com/a?b#c",
        "https://api.example.com/#c",
        "https://api.example.com/{a}",
        "https://api.example.com/%7B\u{e4}",
        "https://api.example.com:8443/a",
        "https://api.example.com.evil.example/a",
        "https://user:fake-secret@api.example.com/a",
        "https://api.example.com@evil.example/a",
        "https://{{api}}/a",
        "http://api.example.com/a",
        "http://[::1]:8080/a",
        "data:text/plain,a",
    ];

    #[test]
    fn urls_are_parsed_as_the_client_does_after_any_first_url() {
        for first in URLS {
            let targets = Targets::default();
            let first = Url::parse(first);
            if let Ok(first) = &first {
                targets.read(first);
            }
            for url in URLS.into_iter().filter_map(|url| Url::parse(url).ok()) {
                let read: Uri = url.as_str().parse().unwrap_or_default();
                let uri = targets.read(&url);
                assert_eq!(uri, read, "{url} after {first:?}");
                assert_eq!(
                    uri.authority().map(|a| a.as_str()),
                    read.authority().map(|a| a.as_str())
                );
            }
        }
    }

    #[test]
    fn g18_user_information_is_not_kept() {
        let targets = Targets::default();
        targets.read(&Url::parse("https://user:fake-secret@api.example.com/a").unwrap());
        targets.read(&Url::parse("https://api.example.com/a?key=fake-secret").unwrap());
        let kept = format!("{targets:?}");
        assert!(kept.contains("https://api.example.com\""), "{kept}");
        assert!(!kept.contains("fake-secret"), "{kept}");
    }
}
