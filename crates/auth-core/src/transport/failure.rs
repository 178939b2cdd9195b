//! Texts of transports for failures before a request was sent.

use std::{error::Error as StdError, fmt, io, iter};

use http::Uri;

/// Why no connection to a server could be made, in words for an operator.
///
/// Made from the error of an HTTP client. The causes of such an error have no common types, so the
/// texts of the usual connectors (hyper-util, hyper-rustls, hyper-tls, reqwest) are compared. Only
/// the text depends on the comparison: the transport decides the outcome.
///
/// # Security
///
/// The text repeats the innermost cause. A connector knows scheme, host and port of a request and
/// nothing else, so use this type for errors of a connector only.
#[doc(hidden)]
#[derive(Debug, PartialEq)]
#[allow(
    clippy::exhaustive_enums,
    reason = "for the transports of this workspace"
)]
pub enum ConnectFailure {
    /// The client cannot speak TLS, and the URL is an `https` URL.
    NoTls,
    /// Any other cause.
    Cause(String),
}

impl ConnectFailure {
    /// Finds the cause in an error and in the errors behind it.
    #[must_use]
    pub fn of(error: &(dyn StdError + 'static), uri: &Uri) -> Self {
        let links: Vec<Link> = chain(error).map(Link::of).collect();
        let says = |words: &str| links.iter().any(|link| link.text == words);
        if says("invalid URL, scheme is not http") {
            return Self::NoTls;
        }
        let tunnel = links
            .iter()
            .find_map(|link| link.text.strip_prefix("tunnel error: "));
        let socks = || links.iter().any(|link| link.text.contains("SOCKS"));
        let is_https = uri.scheme() == Some(&http::uri::Scheme::HTTPS);
        Self::Cause(match tunnel {
            Some("proxy authorization required") => {
                "proxy refused the tunnel (407): check the proxy's user name and password".into()
            }
            Some("unsuccessful") => "proxy refused the tunnel".into(),
            Some("unexpected end of file") => "proxy closed the connection".into(),
            Some("failed to create underlying connection") => {
                format!("no connection to the proxy: {}", cause(&links, false))
            }
            Some(_) => format!("proxy tunnel failed: {}", last(&links)),
            None if socks() => format!("SOCKS proxy failed: {}", last(&links)),
            None => cause(&links, is_https),
        })
    }

    /// Returns what the server said against the client's certificate, if it ended the connection
    /// for that reason. The server has read no request then.
    ///
    /// With TLS 1.3 the server checks the certificate while the client already sends (RFC 8446
    /// section 2), so HTTP clients do not report a failed connection.
    #[must_use]
    pub fn of_client_certificate(error: &(dyn StdError + 'static)) -> Option<&'static str> {
        chain(error).find_map(|error| {
            let text = error.to_string();
            let letters = text.chars().filter(char::is_ascii_alphabetic);
            let words = letters.collect::<String>().to_ascii_lowercase();
            let (_, alert) = words.split_once("alert")?;
            let known = ALERTS.iter().find(|(name, _)| alert.starts_with(name));
            known.map(|&(_, meaning)| meaning)
        })
    }
}

/// Alerts about a certificate (RFC 8446 section 6.2). rustls writes `received fatal alert:
/// UnknownCA`, OpenSSL `tlsv1 alert unknown ca`.
const ALERTS: [(&str, &str); 7] = [
    (
        "certificaterequired",
        "the server requires a client certificate; set one on the HTTP client, for example with \
         reqwest's `identity`",
    ),
    (
        "unknownca",
        "the server does not trust the CA of the client certificate; check certificate and chain",
    ),
    (
        "certificateexpired",
        "the client certificate has expired; renew it",
    ),
    (
        "certificaterevoked",
        "the client certificate is revoked; replace it",
    ),
    ("badcertificate", REJECTED),
    ("unsupportedcertificate", REJECTED),
    ("certificateunknown", REJECTED),
];
const REJECTED: &str = "the server rejected the client certificate; check certificate and chain";

/// One error of a chain.
struct Link {
    text: String,
    kind: Option<io::ErrorKind>,
}

impl Link {
    fn of(error: &(dyn StdError + 'static)) -> Self {
        Self {
            text: error.to_string(),
            kind: error.downcast_ref().map(io::Error::kind),
        }
    }

    fn is_timeout(&self) -> bool {
        let words = [
            "operation timed out",
            "deadline has elapsed",
            "request timed out",
        ];
        self.kind == Some(io::ErrorKind::TimedOut) || words.contains(&&*self.text)
    }
}

fn cause(links: &[Link], is_https: bool) -> String {
    let says = |words: &str| links.iter().any(|link| link.text == words);
    if says("dns error") || says("error resolving DNS") {
        return format!("DNS lookup failed: {}", last(links));
    }
    if links.iter().any(Link::is_timeout) {
        return "connecting timed out".into();
    }
    if says("tcp connect error") || refused(links) || !is_https {
        return last(links);
    }
    format!("TLS handshake failed: {}", last(links))
}

fn refused(links: &[Link]) -> bool {
    let refused = Some(io::ErrorKind::ConnectionRefused);
    links.iter().any(|link| link.kind == refused)
}

/// Returns the text of the innermost error. An error of the operating system has the fixed text of
/// its kind, if the kind is known.
fn last(links: &[Link]) -> String {
    let Some(link) = links.last() else {
        return String::new();
    };
    match link.kind {
        Some(kind) if has_words(kind) => kind.to_string(),
        _ => clean(&link.text),
    }
}

/// Returns whether the text of an [`io::ErrorKind`] says as much as that of the error.
fn has_words(kind: io::ErrorKind) -> bool {
    use io::ErrorKind::{
        AddrNotAvailable, ConnectionAborted, ConnectionRefused, ConnectionReset, HostUnreachable,
        NetworkDown, NetworkUnreachable, TimedOut,
    };
    [
        AddrNotAvailable,
        ConnectionAborted,
        ConnectionRefused,
        ConnectionReset,
        HostUnreachable,
        NetworkDown,
        NetworkUnreachable,
        TimedOut,
    ]
    .contains(&kind)
}

/// Makes one line of bounded length.
fn clean(text: &str) -> String {
    let chars = text.chars().filter(|char| !char.is_control());
    chars.take(MAX_CHARS).collect()
}

/// Returns an error and its sources. An [`io::Error`] does not return its inner error as its
/// source, but the source of its inner error.
fn chain<'a>(
    error: &'a (dyn StdError + 'static),
) -> impl Iterator<Item = &'a (dyn StdError + 'static)> {
    iter::successors(Some(error), |&error| next(error)).take(MAX_LINKS)
}

fn next<'a>(error: &'a (dyn StdError + 'static)) -> Option<&'a (dyn StdError + 'static)> {
    match error.downcast_ref().and_then(io::Error::get_ref) {
        Some(inner) => Some(inner),
        None => error.source(),
    }
}

const MAX_LINKS: usize = 16;
const MAX_CHARS: usize = 300;

/// Name of a server in the texts of a transport: the host, and the port if the URL has one.
#[doc(hidden)]
#[derive(Clone, Debug)]
pub struct TokenHost(String);

impl TokenHost {
    /// Takes host and port of a URI. All other parts may be secret.
    #[must_use]
    pub fn of(uri: &Uri) -> Self {
        let host = uri.host().unwrap_or("without a host");
        Self(match uri.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        })
    }
}

impl fmt::Display for TokenHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "token endpoint {}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An error with a source.
    #[derive(Debug)]
    struct Step(&'static str, Box<dyn StdError + Send + Sync>);

    impl fmt::Display for Step {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str(self.0)
        }
    }

    impl StdError for Step {
        fn source(&self) -> Option<&(dyn StdError + 'static)> {
            Some(&*self.1)
        }
    }

    fn cause_of(error: impl StdError + 'static, uri: &'static str) -> String {
        match ConnectFailure::of(&error, &Uri::from_static(uri)) {
            ConnectFailure::Cause(cause) => cause,
            ConnectFailure::NoTls => "no TLS".into(),
        }
    }

    const HTTPS: &str = "https://auth.example.com/token";

    #[test]
    fn causes_are_told_in_words_for_an_operator() {
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        let reset = || io::Error::from(io::ErrorKind::ConnectionReset);
        let bare = |text: &'static str| io::Error::other(text);
        for (error, told) in [
            (
                Step("tcp connect error", refused().into()),
                "connection refused",
            ),
            (
                Step("dns error", bare("no such name").into()),
                "DNS lookup failed: no such name",
            ),
            (
                Step("client error (Connect)", reset().into()),
                "TLS handshake failed: connection reset",
            ),
            (
                Step(
                    "client error (Connect)",
                    bare("certificate\n expired").into(),
                ),
                "TLS handshake failed: certificate expired",
            ),
            (
                Step(
                    "client error (Connect)",
                    bare("deadline has elapsed").into(),
                ),
                "connecting timed out",
            ),
            (
                Step(
                    "client error (Connect)",
                    bare("tunnel error: proxy authorization required").into(),
                ),
                "proxy refused the tunnel (407): check the proxy's user name and password",
            ),
            (
                Step(
                    "client error (Connect)",
                    bare("tunnel error: unsuccessful").into(),
                ),
                "proxy refused the tunnel",
            ),
            (
                Step(
                    "tunnel error: failed to create underlying connection",
                    refused().into(),
                ),
                "no connection to the proxy: connection refused",
            ),
            (
                Step(
                    "client error (Connect)",
                    bare("SOCKS error: Connection refused").into(),
                ),
                "SOCKS proxy failed: SOCKS error: Connection refused",
            ),
            (
                Step(
                    "client error (Connect)",
                    bare("invalid URL, scheme is not http").into(),
                ),
                "no TLS",
            ),
        ] {
            assert_eq!(cause_of(error, HTTPS), told);
        }
        let plain = Step("client error (Connect)", bare("some trouble").into());
        assert_eq!(cause_of(plain, "http://127.0.0.1/"), "some trouble");
    }

    #[test]
    fn an_alert_about_the_client_certificate_is_told_in_words() {
        for (text, told) in [
            ("received fatal alert: CertificateRequired", "requires a"),
            (
                "error:0A00045C:SSL routines:ssl3_read_bytes:tlsv13 alert certificate required",
                "requires a",
            ),
            ("received fatal alert: UnknownCA", "does not trust the CA"),
            ("tlsv1 alert unknown ca", "does not trust the CA"),
            ("received fatal alert: CertificateExpired", "has expired"),
            ("received fatal alert: CertificateRevoked", "is revoked"),
            ("received fatal alert: BadCertificate", "rejected the"),
            ("sslv3 alert bad certificate", "rejected the"),
            ("received fatal alert: CertificateUnknown", "rejected the"),
            ("received fatal alert: UnsupportedCertificate", "rejected"),
        ] {
            let error = Step("connection error", io::Error::other(text).into());
            let meaning = ConnectFailure::of_client_certificate(&error);
            assert!(meaning.is_some_and(|it| it.contains(told)), "{text}");
        }
        for other in [
            "received fatal alert: InternalError",
            "invalid peer certificate: UnknownIssuer",
            "connection reset",
        ] {
            let error = Step("connection error", io::Error::other(other).into());
            assert_eq!(ConnectFailure::of_client_certificate(&error), None);
        }
    }

    /// Errors as the operating system gives them, with its own texts.
    #[cfg(target_os = "linux")]
    #[test]
    fn an_error_of_the_operating_system_has_the_words_of_its_kind_if_these_say_enough() {
        for (code, told) in [
            (111, "connection refused"),
            (104, "TLS handshake failed: connection reset"),
            (22, "TLS handshake failed: Invalid argument (os error 22)"),
        ] {
            let error = io::Error::from_raw_os_error(code);
            let error = Step("client error (Connect)", error.into());
            assert_eq!(cause_of(error, HTTPS), told);
        }
        let error = io::Error::from_raw_os_error(22);
        let error = Step("tcp connect error", error.into());
        assert_eq!(cause_of(error, HTTPS), "Invalid argument (os error 22)");
    }

    #[test]
    fn a_chain_without_an_end_is_cut() {
        #[derive(Debug)]
        struct Loop;
        impl fmt::Display for Loop {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&"x".repeat(1_000))
            }
        }
        impl StdError for Loop {
            fn source(&self) -> Option<&(dyn StdError + 'static)> {
                Some(&Loop)
            }
        }
        let told = cause_of(Loop, HTTPS);
        assert_eq!(
            told,
            format!("TLS handshake failed: {}", "x".repeat(MAX_CHARS))
        );
    }

    #[test]
    fn g18_a_host_is_named_without_the_rest_of_its_url() {
        for (uri, host) in [
            (
                "https://user:fake-word@auth.example.com/p?fake-query",
                "auth.example.com",
            ),
            ("https://auth.example.com:8443/", "auth.example.com:8443"),
            ("http://[::1]:80/", "[::1]:80"),
            ("/path", "without a host"),
        ] {
            let told = TokenHost::of(&Uri::from_static(uri)).to_string();
            assert_eq!(told, format!("token endpoint {host}"));
        }
    }
}
