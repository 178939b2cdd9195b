use std::fmt;

use super::parse::Origin;
use crate::Error;

/// Permits the hosts exactly one label below a name. Always `https`.
#[derive(Clone, Debug)]
pub(super) struct Suffix(Origin);

impl Suffix {
    pub(super) fn parse(field: &'static str, text: &str) -> Result<Self, Error> {
        let origin = Origin::parse(field, text)?;
        let bad = |problem: &str| {
            let problem = format!("subdomains_of(\"{origin}\"): {problem}");
            Error::config(field, problem)
        };
        if !origin.is_https() {
            return Err(bad("the suffix must be https"));
        }
        let host = origin.host();
        if host.ends_with('.') {
            return Err(bad("the suffix ends with a dot; remove it"));
        }
        let labels: Vec<&str> = host.split('.').collect();
        let is_number = |label: &&str| label.bytes().all(|byte| byte.is_ascii_digit());
        // If the last label consists of digits, the host is an IPv4 address (WHATWG URL, "ends in a
        // number").
        if host.starts_with('[') || labels.last().is_some_and(is_number) {
            return Err(bad("the suffix is an IP address; list each origin"));
        }
        match *labels {
            [_] => Err(bad("the suffix has one label, so it belongs to nobody; \
                            name the vendor's domain, for example https://my.example.com")),
            [registry, country] if country.len() == 2 && REGISTRIES.contains(&registry) => {
                Err(bad("anybody can register a name below this suffix; \
                 name the vendor's domain, for example https://my.example.com"))
            }
            _ => Ok(Self(origin)),
        }
    }

    pub(super) fn is_above(&self, host: &str, port: u16) -> bool {
        let Some((label, rest)) = host.split_once('.') else {
            return false;
        };
        port == self.0.port() && !label.is_empty() && rest.eq_ignore_ascii_case(self.0.host())
    }
}

impl fmt::Display for Suffix {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "(label).{}", self.0.authority())
    }
}

/// Second-level registries under country codes. Not the Public Suffix List, which needs a
/// dependency and updates. The list has the names that are left if the first label of a vendor's
/// domain is omitted by mistake.
const REGISTRIES: [&str; 15] = [
    "ac", "asn", "co", "com", "edu", "go", "gob", "gov", "gv", "ltd", "ne", "net", "or", "org",
    "plc",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_two_labels_only_a_registry_under_a_country_code_is_refused() {
        for own in ["example.com", "example.io", "co.example", "com.com"] {
            let suffix = Suffix::parse("origins", &format!("https://{own}")).unwrap();
            assert!(suffix.is_above(&format!("acme.{own}"), 443), "{own}");
        }
        for registry in ["co.uk", "com.au", "CO.JP"] {
            let error = Suffix::parse("origins", &format!("https://{registry}")).unwrap_err();
            assert_eq!(error.field(), Some("origins"));
            let text = error.to_string();
            assert!(text.contains("anybody can register"), "{registry}: {text}");
        }
    }
}
