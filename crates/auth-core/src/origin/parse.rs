use std::{fmt, net::Ipv6Addr};

use http::{
    Uri,
    uri::{Authority, Scheme},
};

use crate::Error;

/// Scheme, host and effective port (RFC 6454 section 4).
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Origin {
    https: bool,
    /// In lower case. An IPv6 address has brackets.
    host: String,
    port: u16,
    /// The usual spelling in requests, for a comparison without parsing.
    authority: String,
}

impl Origin {
    /// Parses a URL of a setting. Errors show scheme, host and port only.
    pub(super) fn parse(field: &'static str, text: &str) -> Result<Self, Error> {
        let bad = |problem: &str| Error::config(field, problem);
        let uri: Uri = text.parse().map_err(|_| {
            bad(
                "is not a URL; write for example https://api.example.com, and international \
                 names in Punycode (xn--...)",
            )
        })?;
        Self::of(field, &uri)
    }

    pub(super) fn of(field: &'static str, uri: &Uri) -> Result<Self, Error> {
        let bad = |problem: &str| Error::config(field, problem);
        let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
            return Err(bad("is not an absolute URL: it must start with https://"));
        };
        let https = *scheme == Scheme::HTTPS;
        if !https && *scheme != Scheme::HTTP {
            return Err(bad("has another scheme than https; write https://"));
        }
        let authority = authority.as_str();
        if authority.contains('@') {
            return Err(bad("has user information (user@host); remove it"));
        }
        let written = format!("{scheme}://{authority}");
        if authority.contains('*') {
            return Err(Error::config(
                field,
                format_args!(
                    "\"{written}\" contains a wildcard; list each origin, or use \
                     Origins::subdomains_of(\"https://my.example.com\") for the hosts that are \
                     exactly one label below a suffix"
                ),
            ));
        }
        let Some((host, port)) = host_and_port(https, authority) else {
            return Err(Error::config(
                field,
                format_args!(
                    "\"{written}\" has no host, or a host or port with characters that do not \
                     belong there"
                ),
            ));
        };
        let host = host.to_ascii_lowercase();
        let authority = if port == default_port(https) {
            host.clone()
        } else {
            format!("{host}:{port}")
        };
        Ok(Self {
            https,
            host,
            port,
            authority,
        })
    }

    pub(super) fn is_https(&self) -> bool {
        self.https
    }

    pub(super) fn host(&self) -> &str {
        &self.host
    }

    pub(super) fn port(&self) -> u16 {
        self.port
    }

    /// The host, and the port unless it is the scheme's default.
    pub(super) fn authority(&self) -> &str {
        &self.authority
    }

    #[inline(always)]
    pub(super) fn is_written(&self, scheme: Option<&Scheme>, authority: &Authority) -> bool {
        let https = match scheme.map(Scheme::as_str) {
            Some("https") => true,
            Some("http") => false,
            _ => return false,
        };
        self.https == https && is_same(self.authority.as_bytes(), authority.as_str().as_bytes())
    }

    /// Returns whether an authority is this origin's, in any spelling. Only a port can follow the
    /// host, so there is no need to search for the end of the host. The character after the host is
    /// compared first, because it seldom matches for another host.
    #[inline]
    pub(super) fn is(&self, https: bool, authority: &[u8]) -> bool {
        let Some((host, rest)) = authority.split_at_checked(self.host.len()) else {
            return false;
        };
        self.https == https
            && matches!(rest, [] | [b':', ..])
            && is_host(host, self.host.as_bytes())
            && port_of(https, rest) == Some(self.port)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.https { "https" } else { "http" };
        write!(f, "{scheme}://{}", self.authority)
    }
}

/// Splits an authority without user information into host and effective port. `None` if the
/// authority is not exactly `host`, `host:` or `host:port` (RFC 3986 section 3.2).
///
/// A host is an IPv6 address in brackets, or labels of letters, digits, `-` and `_` that are
/// separated by dots, with an optional dot at the end. User information is not part of an origin,
/// but a URL with user information may be built to mislead, so `None` is returned.
pub(super) fn host_and_port(https: bool, authority: &str) -> Option<(&str, u16)> {
    let (host, rest) = match authority.strip_prefix('[') {
        Some(inner) => {
            let end = inner.find(']')?;
            inner[..end].parse::<Ipv6Addr>().ok()?;
            // Includes both brackets.
            authority.split_at(end + 2)
        }
        None => {
            let end = authority.find(':').unwrap_or(authority.len());
            let (host, rest) = authority.split_at(end);
            is_name(host).then_some((host, rest))?
        }
    };
    Some((host, port_of(https, rest.as_bytes())?))
}

/// Returns whether two texts are equal, without a function call for the usual length of a host.
#[inline(always)]
pub(super) fn is_same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() || a.len() > 16 {
        return a == b;
    }
    // The first and the last 8 bytes cover a text of 8 to 16 bytes.
    match (a.first_chunk::<8>(), a.last_chunk::<8>()) {
        (Some(first), Some(last)) => b.first_chunk() == Some(first) && b.last_chunk() == Some(last),
        _ => a == b,
    }
}

/// Compares two hosts of equal length without regard to case. Compares eight letters at a time
/// first: a difference in a bit other than the case bit decides.
#[inline]
fn is_host(host: &[u8], own: &[u8]) -> bool {
    let (mut a, mut b) = (host, own);
    while let (Some((x, rest_a)), Some((y, rest_b))) =
        (a.split_first_chunk(), b.split_first_chunk())
    {
        if (u64::from_ne_bytes(*x) ^ u64::from_ne_bytes(*y)) & !CASE != 0 {
            return false;
        }
        (a, b) = (rest_a, rest_b);
    }
    host == own || host.eq_ignore_ascii_case(own)
}

/// The bit in which the two cases of an ASCII letter differ. Other characters also differ in this
/// bit, so an equal rest proves nothing.
const CASE: u64 = u64::from_ne_bytes([0x20; 8]);

/// Parses the port after a host: nothing, `:` or `:port`.
fn port_of(https: bool, rest: &[u8]) -> Option<u16> {
    match rest {
        [] | [b':'] => Some(default_port(https)),
        [b':', digits @ ..] => digits.iter().try_fold(0_u16, |port, digit| {
            let digit = digit.wrapping_sub(b'0');
            let port = port.checked_mul(10)?.checked_add(u16::from(digit))?;
            (digit < 10).then_some(port)
        }),
        _ => None,
    }
}

fn is_name(host: &str) -> bool {
    let host = host.strip_suffix('.').unwrap_or(host);
    host.split('.').all(is_label)
}

/// An underscore is not allowed in a host name (RFC 952), but docker-compose makes such names.
fn is_label(label: &str) -> bool {
    let mut bytes = label.bytes();
    !label.is_empty() && bytes.all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte))
}

const fn default_port(https: bool) -> u16 {
    if https { 443 } else { 80 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g12_hosts_differ_by_more_than_the_bit_for_the_case() {
        let own = b"api-1.example.com";
        assert!(is_host(own, own));
        assert!(is_host(b"API-1.Example.COM", own));
        for place in 0..own.len() {
            for bit in 0..8 {
                let mut other = *own;
                other[place] ^= 1 << bit;
                let is_case = bit == 5 && own[place].is_ascii_alphabetic();
                assert_eq!(is_host(&other, own), is_case, "{place} {bit}");
            }
        }
    }

    #[test]
    fn g12_authorities_are_the_same_only_if_all_their_bytes_are() {
        let text = b"abcdefghijklmnopqrstuvwxyz";
        for length in 0..text.len() {
            let own = &text[..length];
            assert!(is_same(own, own));
            assert!(!is_same(own, &text[..length + 1]));
            for place in 0..length {
                let mut other = own.to_vec();
                other[place] ^= 1;
                assert!(!is_same(own, &other), "{length} {place}");
            }
        }
    }

    #[test]
    fn g12_a_port_is_decimal_digits_up_to_65535() {
        let ports = [
            ("", Some(443)),
            (":", Some(443)),
            (":443", Some(443)),
            (":0443", Some(443)),
            (":65535", Some(65_535)),
            (":65536", None),
            (":65979", None),
            (":131515", None),
            (":+443", None),
            (":44a", None),
            (":44:", None),
            (":\u{ff14}43", None),
            ("443", None),
        ];
        for (text, port) in ports {
            assert_eq!(port_of(true, text.as_bytes()), port, "{text}");
        }
        assert_eq!(port_of(false, b""), Some(80));
    }
}
