use std::sync::Arc;

use http::{HeaderMap, HeaderValue, Uri, header::HOST, uri};

use self::{parse::Origin, recent::ListNumber, suffix::Suffix, warned::Warned};
use crate::Error;

mod http_hosts;
mod parse;
mod recent;
mod suffix;
mod warned;

pub use http_hosts::HttpHosts;
pub(crate) use warned::hash_of;

/// The origins that a token may be sent to: a list of scheme, host and effective port (RFC 6454).
///
/// The comparison is exact: `https://example.com` permits neither a subdomain nor another port. For
/// a vendor with one host per customer, use [`subdomains_of`](Self::subdomains_of). Plain `http` is
/// permitted only to the exact hosts in [`danger_allow_http`](Self::danger_allow_http).
///
/// Host names are compared without regard to case. A trailing dot, user information, or another
/// spelling of an IP address makes a different origin. Write international names in Punycode
/// (`xn--...`).
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
    /// Shared by all authenticators that are built with clones of one list.
    list: Arc<List>,
}

#[derive(Debug, Default)]
struct List {
    number: ListNumber,
    allowed: Vec<Origin>,
    suffixes: Vec<Suffix>,
    warned: Warned,
}

/// Whether a token may be sent with a request, see [`Origins::check_request`].
#[doc(hidden)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(clippy::exhaustive_enums, reason = "for the crates of this workspace")]
pub enum Destination {
    Permitted,
    /// The origin is not in the list.
    OtherOrigin,
    /// The same as the thread's last [`OtherOrigin`](Self::OtherOrigin), which
    /// [`Origins::remember_other`] remembered. The number stands for cause and host.
    SameOtherOrigin(u64),
    /// The `Host` header names another host than the URI.
    OtherHost,
}

impl Origins {
    /// Makes a list of `https` origins, for example `https://api.example.com`. A path is ignored.
    ///
    /// # Errors
    ///
    /// [`Config`](crate::ErrorKind::Config) on field `origins` for an empty list, for a text that
    /// is not an absolute URL, for user information, for a wildcard, and for a scheme other than
    /// `https`. For plain `http` use [`danger_allow_http`](Self::danger_allow_http).
    pub fn new<T: AsRef<str>>(origins: impl IntoIterator<Item = T>) -> Result<Self, Error> {
        Self::parse(FIELD, origins, |origin| {
            Err(Error::config(
                FIELD,
                format_args!(
                    "\"{origin}\" is not https; write https://, or, if nobody can listen on the way \
                     to this host, Origins::danger_allow_http([\"{origin}\"])"
                ),
            ))
        })
    }

    /// Makes a list in which plain `http` origins are allowed too: docker-compose and Kubernetes
    /// services (`http://payments:8080`), meshes (`http://api.mesh.local`),
    /// `http://localhost:3000`.
    ///
    /// # Security
    ///
    /// Anybody who can read the network traffic to one of these hosts can read the token. Name only
    /// hosts that are reached by loopback, by a private network, or by a mesh that encrypts.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), except for the scheme `http`.
    ///
    /// # Example
    ///
    /// ```
    /// use auth_core::Origins;
    ///
    /// let origins = Origins::danger_allow_http(["http://payments:8080"])?;
    /// assert!(origins.permits(&"http://payments:8080/v1".parse()?));
    /// assert!(!origins.permits(&"http://payments/v1".parse()?));
    /// assert!(!origins.permits(&"https://payments:8080/v1".parse()?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn danger_allow_http<T: AsRef<str>>(
        origins: impl IntoIterator<Item = T>,
    ) -> Result<Self, Error> {
        Self::parse(FIELD, origins, |_| Ok(()))
    }

    /// Makes a list with the origin of a URL, for the setting `base_url` of a vendor crate. Plain
    /// `http` is permitted if `http` names the origin. `field` is the name of the setting, for
    /// errors.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), on field `field`.
    pub fn of_url(field: &'static str, url: &str, http: &HttpHosts) -> Result<Self, Error> {
        http.check(field, url)?;
        Self::parse(field, [url], |_| Ok(()))
    }

    /// Also permits every host that is exactly one label below `suffix`, for a vendor with one host
    /// per customer. For example, `subdomains_of("https://my.salesforce.com")` permits
    /// `https://acme.my.salesforce.com`. It permits neither `https://my.salesforce.com` itself, nor
    /// `https://a.b.my.salesforce.com`, nor `https://evil-my.salesforce.com`. The port must be
    /// equal.
    ///
    /// For a vendor without a fixed host, start with [`Origins::default`], which permits no origin.
    ///
    /// # Security
    ///
    /// Name a suffix only if every host below it belongs to the vendor. A suffix below which
    /// anybody can register a name (`co.uk`, `github.io`, `herokuapp.com`) sends the token to
    /// anybody. The check finds the likely mistakes: a suffix of one label (`com`), and registries
    /// under country codes that sell names (`co.uk`, `com.au`). The check does not use the Public
    /// Suffix List.
    ///
    /// # Errors
    ///
    /// As [`new`](Self::new), and for a suffix that is an IP address, has one label, ends with a
    /// dot, or is a registry under a country code.
    ///
    /// # Example
    ///
    /// ```
    /// use auth_core::Origins;
    ///
    /// let origins = Origins::new(["https://login.salesforce.com"])?
    ///     .subdomains_of("https://my.salesforce.com")?;
    /// assert!(origins.permits(&"https://acme.my.salesforce.com/services".parse()?));
    /// assert!(!origins.permits(&"https://a.b.my.salesforce.com/".parse()?));
    /// assert!(!origins.permits(&"https://my.salesforce.com/".parse()?));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn subdomains_of(self, suffix: &str) -> Result<Self, Error> {
        let mut suffixes = self.list.suffixes.clone();
        suffixes.push(Suffix::parse(FIELD, suffix)?);
        Ok(Self::of(self.list.allowed.clone(), suffixes))
    }

    /// Returns whether a token may be sent to this destination.
    ///
    /// A URI without scheme or host (origin form, for example `/v1/things`) names no destination
    /// and is not permitted. If the request's headers are known, use
    /// [`permits_request`](Self::permits_request).
    #[must_use]
    #[inline(always)]
    pub fn permits(&self, uri: &Uri) -> bool {
        self.is_first(uri) || self.permits_any(uri)
    }

    /// Returns whether a token may be sent with this request: the destination is permitted, and the
    /// `Host` header does not name another one.
    ///
    /// A server or a gateway chooses the virtual host by the `Host` header. A request whose `Host`
    /// differs from the URI's authority goes to another origin, so it is not permitted. `Host` is
    /// compared as origins are: without regard to case, the default port may be omitted, and a
    /// trailing dot makes a difference.
    #[must_use]
    #[inline(always)]
    pub fn permits_request(&self, uri: &Uri, headers: &HeaderMap) -> bool {
        self.permits(uri) && (!has_host(headers) || hosts_agree(uri, headers))
    }

    /// As [`permits_request`](Self::permits_request), with the reason. Each thread remembers its
    /// last destination beside the first origin, so that the next request to the same one costs a
    /// comparison.
    #[doc(hidden)]
    #[must_use]
    #[inline(always)]
    pub fn check_request(&self, uri: &Uri, headers: &HeaderMap) -> Destination {
        let origin = if self.is_first(uri) {
            Destination::Permitted
        } else {
            self.check_any(uri)
        };
        if origin == Destination::Permitted && has_host(headers) && !hosts_agree(uri, headers) {
            return Destination::OtherHost;
        }
        origin
    }

    #[inline(never)]
    fn check_any(&self, uri: &Uri) -> Destination {
        let number = &self.list.number;
        if let Some(known) = number.recall(uri) {
            return known;
        }
        if !self.permits_any(uri) {
            return Destination::OtherOrigin;
        }
        number.remember(uri, Destination::Permitted);
        Destination::Permitted
    }

    /// Makes the thread remember that this destination is another origin. `host` is its host and
    /// port.
    #[doc(hidden)]
    pub fn remember_other(&self, uri: &Uri, cause: &str, host: &str) {
        let same = Destination::SameOtherOrigin(hash_of([cause, host]));
        self.list.number.remember(uri, same);
    }

    /// The fast path: returns whether the destination is the first origin, in its usual spelling.
    #[inline(always)]
    fn is_first(&self, uri: &Uri) -> bool {
        match (self.list.allowed.first(), uri.authority()) {
            (Some(origin), Some(authority)) => origin.is_written(uri.scheme(), authority),
            _ => false,
        }
    }

    #[inline(never)]
    fn permits_any(&self, uri: &Uri) -> bool {
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return false;
        };
        let https = match scheme.as_str() {
            "https" => true,
            "http" => false,
            _ => return false,
        };
        let authority = authority.as_str();
        let mut allowed = self.list.allowed.iter();
        allowed.any(|origin| origin.is(https, authority.as_bytes()))
            || (https && self.is_below_suffix(authority))
    }

    fn is_below_suffix(&self, authority: &str) -> bool {
        if self.list.suffixes.is_empty() {
            return false;
        }
        let Some((host, port)) = parse::host_and_port(true, authority) else {
            return false;
        };
        let mut suffixes = self.list.suffixes.iter();
        suffixes.any(|suffix| suffix.is_above(host, port))
    }

    /// Returns whether the `Host` header names another host than the URI's authority.
    #[doc(hidden)]
    #[must_use]
    pub fn host_differs(uri: &Uri, headers: &HeaderMap) -> bool {
        has_host(headers) && !hosts_agree(uri, headers)
    }

    /// Returns true for the first warning about this cause and destination. Remembers a bounded
    /// number of warnings, and returns false for all further ones.
    #[doc(hidden)]
    #[must_use]
    pub fn is_first_warning(&self, cause: &str, destination: &str) -> bool {
        self.list.warned.is_first(cause, destination)
    }

    /// Returns the origins as text for a log line: first the exact origins, then the suffixes.
    #[doc(hidden)]
    #[must_use]
    pub fn describe(&self) -> String {
        let exact = self.list.allowed.iter();
        let exact = exact.map(|origin| origin.authority().to_owned());
        let below = self.list.suffixes.iter().map(Suffix::to_string);
        exact.chain(below).collect::<Vec<_>>().join(", ")
    }

    fn parse<T: AsRef<str>>(
        field: &'static str,
        origins: impl IntoIterator<Item = T>,
        on_http: impl Fn(&Origin) -> Result<(), Error>,
    ) -> Result<Self, Error> {
        let mut allowed = Vec::new();
        for origin in origins {
            let origin = Origin::parse(field, origin.as_ref())?;
            if !origin.is_https() {
                on_http(&origin)?;
            }
            allowed.push(origin);
        }
        if allowed.is_empty() {
            return Err(Error::config(field, "name at least one origin"));
        }
        Ok(Self::of(allowed, Vec::new()))
    }

    fn of(allowed: Vec<Origin>, suffixes: Vec<Suffix>) -> Self {
        let list = List {
            allowed,
            suffixes,
            ..List::default()
        };
        Self {
            list: Arc::new(list),
        }
    }
}

/// A request has few headers, so a scan is cheaper than hashing for a look-up.
#[inline(always)]
fn has_host(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| matches!(*name, HOST))
}

/// Returns whether all `Host` headers name the URI's authority (RFC 9110 section 7.2).
#[cold]
fn hosts_agree(uri: &Uri, headers: &HeaderMap) -> bool {
    let Some(authority) = uri.authority() else {
        return false;
    };
    let https = uri.scheme() != Some(&uri::Scheme::HTTP);
    let Some((host, port)) = parse::host_and_port(https, authority.as_str()) else {
        return false;
    };
    let is_same = |value: &HeaderValue| {
        let text = value.to_str().ok();
        let named = text.and_then(|text| parse::host_and_port(https, text));
        named.is_some_and(|(h, p)| h.eq_ignore_ascii_case(host) && p == port)
    };
    headers.get_all(HOST).iter().all(is_same)
}

const FIELD: &str = "origins";

#[cfg(test)]
mod tests;
