use auth_core::{Error, ErrorKind};
use redis::{ErrorKind as Kind, RedisError, ServerErrorKind};

/// Describes a failure in this crate's words: the server's words may repeat a secret.
pub(crate) fn failed(step: &str, error: &RedisError) -> Error {
    store(step, problem(error))
}

pub(crate) fn store(step: &str, problem: &str) -> Error {
    Error::new(ErrorKind::Store, format!("redis store: {step}: {problem}"))
}

/// Whether the error makes its connection useless: broken, to the wrong server, or under the wrong
/// user.
pub(crate) fn spoils(error: &RedisError) -> bool {
    match error.kind() {
        Kind::Server(kind) => matches!(
            kind,
            ServerErrorKind::ReadOnly | ServerErrorKind::MasterDown
        ),
        Kind::Extension => matches!(error.code(), Some("NOAUTH" | "WRONGPASS")),
        _ => true,
    }
}

/// Whether the error comes from an old connection, so that a new one may succeed: broken since its
/// last use, or to a server that is no longer the master.
pub(crate) fn is_stale(error: &RedisError) -> bool {
    error.is_connection_dropped()
        || error.kind() == Kind::Server(ServerErrorKind::ReadOnly)
        || error.code() == Some("NOAUTH")
}

fn problem(error: &RedisError) -> &'static str {
    match error.kind() {
        Kind::Io => io(error),
        Kind::Parse | Kind::UnexpectedReturnType => {
            "the server sent an answer of an unexpected type"
        }
        Kind::AuthenticationFailed => "the server refused user name or password",
        Kind::InvalidClientConfig | Kind::Client => "the client refused its settings",
        Kind::ClusterConnectionNotFound => "no node of the cluster can be reached",
        Kind::RESP3NotSupported => "the server does not speak RESP3",
        Kind::Server(kind) => server(kind),
        Kind::Extension => extension(error.code().unwrap_or_default()),
        _ => "the client failed",
    }
}

fn io(error: &RedisError) -> &'static str {
    if error.is_timeout() {
        return "no answer in time";
    }
    if error.is_connection_refusal() {
        return "the connection was refused";
    }
    if let Some(problem) = tls(error) {
        return problem;
    }
    if error.is_connection_dropped() {
        return "the connection broke";
    }
    "the connection failed"
}

#[cfg(not(feature = "tls"))]
fn tls(_: &RedisError) -> Option<&'static str> {
    None
}

#[cfg(feature = "tls")]
fn tls(error: &RedisError) -> Option<&'static str> {
    use std::{error::Error as StdError, io, sync::Arc};

    // The client's source is the shared pointer, not the error that it points to.
    let shared = error
        .source()?
        .downcast_ref::<Arc<dyn StdError + Send + Sync>>()?;
    let inner = shared.downcast_ref::<io::Error>()?.get_ref()?;
    match inner.downcast_ref()? {
        rustls::Error::InvalidCertificate(_) => {
            Some("the server's certificate is not accepted; see `RedisStoreBuilder::ca`")
        }
        _ => Some("the TLS handshake failed"),
    }
}

fn server(kind: ServerErrorKind) -> &'static str {
    match kind {
        ServerErrorKind::ResponseError => "the server answered ERR",
        ServerErrorKind::ExecAbort => "the server answered EXECABORT",
        ServerErrorKind::BusyLoading => "the server is loading its data (LOADING)",
        ServerErrorKind::NoScript => "the server does not know the script (NOSCRIPT)",
        ServerErrorKind::Moved | ServerErrorKind::Ask => {
            "the server is one of a cluster (MOVED): see `RedisStore::cluster`"
        }
        ServerErrorKind::TryAgain => "the cluster is moving keys (TRYAGAIN)",
        ServerErrorKind::ClusterDown => "the cluster is down (CLUSTERDOWN)",
        ServerErrorKind::MasterDown => "the server lost its master (MASTERDOWN)",
        ServerErrorKind::ReadOnly => "the server is a replica (READONLY)",
        ServerErrorKind::NoPerm => {
            "the user lacks a permission (NOPERM); the crate's documentation lists them"
        }
        _ => "the server answered with an error",
    }
}

/// Names known codes only: other texts may contain anything.
fn extension(code: &str) -> &'static str {
    match code {
        "OOM" => "the server is full (OOM)",
        "NOAUTH" => "the server requires a password (NOAUTH)",
        "WRONGPASS" => "the server refused user name or password (WRONGPASS)",
        "WRONGTYPE" => "the name holds a value of another type (WRONGTYPE)",
        "MISCONF" => "the server cannot save to disk and refuses writes (MISCONF)",
        "NOREPLICAS" => "the server has too few replicas (NOREPLICAS)",
        "BUSY" => "the server is busy with a script (BUSY)",
        "DENIED" => "the server is in protected mode (DENIED)",
        _ => "the server answered with an error",
    }
}

#[cfg(test)]
mod tests {
    use std::io;

    use redis::make_extension_error;

    use super::*;

    #[test]
    fn nothing_that_the_server_or_the_system_says_is_repeated() {
        let said = || Some(String::from("fake-secret-1"));
        let details = (
            Kind::AuthenticationFailed,
            "refused",
            String::from("fake-secret-1"),
        );
        let errors = [
            make_extension_error(String::from("fake-secret-1"), said()),
            make_extension_error(String::from("OOM"), said()),
            make_extension_error(String::from("WRONGPASS"), said()),
            RedisError::from(details),
            RedisError::from(io::Error::other("fake-secret-1")),
        ];
        for error in errors {
            assert!(format!("{error:?}").contains("fake-secret-1"));
            let error = failed("load", &error);
            assert_eq!(error.kind(), ErrorKind::Store);
            assert!(error.to_string().starts_with("redis store: load: "));
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains("fake-secret"), "{shown}");
        }
    }

    #[test]
    fn a_server_that_says_no_keeps_its_connection() {
        let error = |code: &str| make_extension_error(String::from(code), None);
        for code in ["OOM", "WRONGTYPE", "MISCONF"] {
            assert!(!spoils(&error(code)) && !is_stale(&error(code)), "{code}");
        }
        assert!(spoils(&error("NOAUTH")) && is_stale(&error("NOAUTH")));
        let broken = RedisError::from(io::Error::from(io::ErrorKind::BrokenPipe));
        assert!(spoils(&broken) && is_stale(&broken));
        let late = RedisError::from(io::Error::from(io::ErrorKind::TimedOut));
        assert!(spoils(&late) && !is_stale(&late));
    }
}
