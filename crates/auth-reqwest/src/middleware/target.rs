//! Converts the URL of a request to a URI.

use std::sync::OnceLock;

use http::{Uri, uri};
use reqwest::Url;

/// Converts URLs to URIs. Nearly all requests of a client go to one origin, so scheme and authority
/// of the first URL are parsed once and kept.
#[derive(Clone, Debug, Default)]
pub(super) struct Targets(OnceLock<Origin>);

/// The origin of a URL.
#[derive(Clone, Copy, Debug)]
pub(super) struct KnownOrigin<'a> {
    /// Scheme and authority, with the path `/`.
    pub(super) uri: &'a Uri,
    /// The length of the origin's text in the URL, in bytes. The path follows.
    length: usize,
}

impl KnownOrigin<'_> {
    /// Returns the path of the URL with what follows.
    #[inline]
    pub(super) fn path<'a>(&self, url: &'a Url) -> &'a str {
        &url.as_str()[self.length..]
    }
}

#[derive(Clone, Debug)]
struct Origin {
    /// Scheme, host and port as written at the start of a URL.
    text: String,
    scheme: uri::Scheme,
    authority: uri::Authority,
    /// With the path `/`.
    uri: Uri,
}

impl Targets {
    /// Parses the URL as the client does. Returns a URI without an origin if the URL cannot be
    /// parsed.
    pub(super) fn read(&self, url: &Url) -> Uri {
        let url = url.as_str();
        let Some(origin) = self.0.get() else {
            return self.read_first(url);
        };
        match origin.path_of(url) {
            Some(path) => origin.with(path),
            None => url.parse().unwrap_or_default(),
        }
    }

    /// Returns the kept origin if the URL has it. Returns `None` for any other URL.
    #[inline]
    pub(super) fn origin_of(&self, url: &Url) -> Option<KnownOrigin<'_>> {
        let url = url.as_str();
        if self.0.get().is_none() {
            self.read_first(url);
        }
        let origin = self.0.get()?;
        origin.path_of(url)?;
        Some(KnownOrigin {
            uri: &origin.uri,
            length: origin.text.len(),
        })
    }

    #[cold]
    fn read_first(&self, url: &str) -> Uri {
        let uri: Uri = url.parse().unwrap_or_default();
        if let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) {
            // User information may be a secret.
            if !authority.as_str().contains('@') {
                self.0.get_or_init(|| {
                    // A separate allocation: the rest of the URL may be a secret too.
                    let own = authority.as_str().parse().unwrap_or(authority.clone());
                    Origin::new(scheme.clone(), own)
                });
            }
        }
        uri
    }
}

impl Origin {
    fn new(scheme: uri::Scheme, authority: uri::Authority) -> Self {
        let mut parts = uri::Parts::default();
        parts.scheme = Some(scheme.clone());
        parts.authority = Some(authority.clone());
        parts.path_and_query = Some(uri::PathAndQuery::from_static("/"));
        Self {
            text: format!("{scheme}://{authority}"),
            scheme,
            authority,
            uri: Uri::from_parts(parts).unwrap_or_default(),
        }
    }

    /// Returns the path with what follows, if the URL has this origin.
    fn path_of<'a>(&self, url: &'a str) -> Option<&'a str> {
        let path = url.strip_prefix(&*self.text)?;
        // A path follows, so the authority ends where it should.
        path.starts_with('/').then_some(path)
    }

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
                if let Some(origin) = targets.origin_of(&url) {
                    let (uri, path) = (origin.uri, origin.path(&url));
                    assert_eq!(uri.scheme(), read.scheme(), "{url} after {first:?}");
                    assert_eq!(uri.authority(), read.authority(), "{url}");
                    assert_eq!(path.parse().ok().as_ref(), read.path_and_query(), "{url}");
                }
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
