use std::net::IpAddr;

use http::{Uri, uri};

use crate::Error;

/// Where a token may go: a list of origins (scheme, host, effective port; RFC 6454).
///
/// Only `https` origins are taken. Plain `http` is let through for loopback addresses written as
/// numbers, and only on request ([`danger_allow_http_loopback`](Self::danger_allow_http_loopback)).
///
/// # Example
///
/// ```
/// use auth_core::Origins;
///
/// let origins = Origins::new(["https://api.example.com"])?;
/// assert!(origins.permits(&"https://api.example.com/v1?page=2".parse()?));
/// assert!(origins.permits(&"https://API.example.com:443/".parse()?));
/// assert!(!origins.permits(&"https://api.example.com:8443/".parse()?));
/// assert!(!origins.permits(&"http://api.example.com/".parse()?));
/// assert!(!origins.permits(&"https://evil.example/".parse()?));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, Default)]
pub struct Origins {
    allowed: Vec<Origin>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    https: bool,
    /// Lower case, without the brackets' scope; port only where it is not the scheme's default.
    host: String,
    port: u16,
    /// How most requests write it, for a comparison without parsing.
    authority: String,
}

impl Origins {
    /// Takes a list of origins such as `https://api.example.com`; a path is ignored.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) on field `origins` for an empty list, for a text that
    /// is no absolute URL, for user information in it, and for a scheme other than `https`. For
    /// `http` on a loopback address use
    /// [`danger_allow_http_loopback`](Self::danger_allow_http_loopback).
    pub fn new<T: AsRef<str>>(origins: impl IntoIterator<Item = T>) -> Result<Self, Error> {
        let mut this = Self::default();
        for origin in origins {
            let origin = Origin::parse(origin.as_ref())?;
            if !origin.https {
                return Err(Error::config(
                    "origins",
                    format_args!("`http://{}` is not https", origin.authority),
                ));
            }
            this.allowed.push(origin);
        }
        if this.allowed.is_empty() {
            return Err(Error::config("origins", "name at least one origin"));
        }
        Ok(this)
    }

    /// Takes a list of origins and lets plain `http` pass for loopback addresses written as
    /// numbers (`http://127.0.0.1:8080`, `http://[::1]:8080`). For tests and local gateways.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and for `http` on any other host, `localhost` included: a name can
    /// be made to point elsewhere.
    pub fn danger_allow_http_loopback<T: AsRef<str>>(
        origins: impl IntoIterator<Item = T>,
    ) -> Result<Self, Error> {
        let mut this = Self::default();
        for origin in origins {
            let origin = Origin::parse(origin.as_ref())?;
            if !origin.https && !origin.is_loopback() {
                return Err(Error::config(
                    "origins",
                    format_args!("`http://{}` is no loopback address", origin.authority),
                ));
            }
            this.allowed.push(origin);
        }
        if this.allowed.is_empty() {
            return Err(Error::config("origins", "name at least one origin"));
        }
        Ok(this)
    }

    /// Takes the origin of an API's base URL: for the setting `base_url` of a vendor's crate.
    /// `http_loopback` lets plain `http` pass as
    /// [`danger_allow_http_loopback`](Self::danger_allow_http_loopback) does.
    ///
    /// # Errors
    ///
    /// As these two, but on field `base_url`; their error is the source.
    pub fn of_base_url(url: &str, http_loopback: bool) -> Result<Self, Error> {
        let origins = match http_loopback {
            true => Self::danger_allow_http_loopback([url]),
            false => Self::new([url]),
        };
        origins.map_err(|error| {
            Error::config("base_url", "is no URL that a token may go to").with_source(error)
        })
    }

    /// Tells whether a token may go to this destination.
    ///
    /// A URI without scheme or host (the origin-form) goes nowhere that could be named, so it is
    /// not permitted.
    #[must_use]
    #[inline]
    pub fn permits(&self, uri: &Uri) -> bool {
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return false;
        };
        let https = match scheme.as_str() {
            "https" => true,
            "http" => false,
            _ => return false,
        };
        // Nearly every request: to the first origin, written as expected.
        match self.allowed.first() {
            Some(origin) if origin.is_written(https, authority.as_str()) => true,
            _ => self.permits_any(https, authority),
        }
    }

    #[cold]
    fn permits_any(&self, https: bool, authority: &uri::Authority) -> bool {
        let mut origins = self.allowed.iter();
        if origins.any(|origin| origin.is_written(https, authority.as_str())) {
            return true;
        }
        // User information is not part of an origin, but a URL that has some is one that somebody
        // may have built to mislead, and no API wants it.
        if authority.as_str().contains('@') {
            return false;
        }
        let Some(port) = port(authority, https) else {
            return false;
        };
        let host = authority.host();
        self.allowed.iter().any(|origin| {
            origin.https == https && origin.port == port && origin.host.eq_ignore_ascii_case(host)
        })
    }
}

impl Origin {
    fn parse(text: &str) -> Result<Self, Error> {
        let bad = |problem: &str| Error::config("origins", problem);
        let uri: Uri = text.parse().map_err(|_| bad("not a URL"))?;
        let https = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            Some(_) => return Err(bad("the scheme must be https")),
            None => return Err(bad("not an absolute URL: it must start with https://")),
        };
        let authority = uri.authority().ok_or_else(|| bad("the URL has no host"))?;
        if authority.as_str().contains('@') {
            return Err(bad("the URL must not carry user information"));
        }
        let host = authority.host().to_ascii_lowercase();
        if host.is_empty() {
            return Err(bad("the URL has no host"));
        }
        let port = port(authority, https).ok_or_else(|| bad("the port is not a number"))?;
        let usual = if port == default_port(https) {
            None
        } else {
            Some(port)
        };
        let authority = match usual {
            Some(port) => format!("{host}:{port}"),
            None => host.clone(),
        };
        Ok(Self {
            https,
            host,
            port,
            authority,
        })
    }

    #[inline]
    fn is_written(&self, https: bool, authority: &str) -> bool {
        self.authority == authority && self.https == https
    }

    fn is_loopback(&self) -> bool {
        let host = self.host.trim_start_matches('[').trim_end_matches(']');
        host.parse::<IpAddr>()
            .is_ok_and(|address| address.is_loopback())
    }
}

/// The effective port; `None` for one that is written but no port number.
fn port(authority: &uri::Authority, https: bool) -> Option<u16> {
    let rest = &authority.as_str()[authority.as_str().rfind('@').map_or(0, |at| at + 1)..];
    match rest.strip_prefix(authority.host()) {
        Some("") | Some(":") => Some(default_port(https)),
        Some(_) => authority.port_u16(),
        None => None,
    }
}

const fn default_port(https: bool) -> u16 {
    if https { 443 } else { 80 }
}

#[cfg(test)]
mod tests;
