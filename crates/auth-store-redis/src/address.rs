use std::fmt;

use auth_core::{Error, Secret};
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _, io::tcp::TcpSettings};

/// A parsed server URL.
#[derive(Clone)]
pub(crate) struct Address {
    /// With the user name and password of the URL.
    pub(crate) info: ConnectionInfo,
}

impl Address {
    /// Describes what is wrong in a URL without the URL, which may contain a password.
    pub(crate) fn parse(field: &'static str, url: &Secret) -> Result<Self, Error> {
        let wrong = |problem: &str| Err(Error::config(field, problem));
        let url = url.expose();
        let is_tls = match url.split_once("://") {
            Some(("redis", _)) => false,
            Some(("rediss", _)) => true,
            _ => return wrong("must begin with redis:// or rediss://"),
        };
        if is_tls && cfg!(not(feature = "tls")) {
            return wrong("begins with rediss://: enable feature `tls` of auth-store-redis");
        }
        if url.contains('#') {
            return wrong("has a fragment; in a password write `#` as `%23`");
        }
        let Ok(info) = url.into_connection_info() else {
            return wrong("is not the URL of a Redis server");
        };
        if info.redis_settings().db() < 0 {
            return wrong("has a negative database number");
        }
        // For small requests that wait for an answer.
        let tcp = TcpSettings::default().set_nodelay(true);
        Ok(Self {
            info: info.set_tcp_settings(tcp),
        })
    }

    pub(crate) fn is_tls(&self) -> bool {
        matches!(self.info.addr(), ConnectionAddr::TcpTls { .. })
    }

    pub(crate) fn username(&self) -> Option<&str> {
        self.info.redis_settings().username()
    }

    pub(crate) fn password(&self) -> Option<&str> {
        self.info.redis_settings().password()
    }

    pub(crate) fn database(&self) -> i64 {
        self.info.redis_settings().db()
    }

    /// The same settings for another server, without user name and password.
    pub(crate) fn at(&self, host: String, port: u16) -> ConnectionInfo {
        let addr = match self.info.addr() {
            ConnectionAddr::TcpTls { insecure, .. } => ConnectionAddr::TcpTls {
                host,
                port,
                insecure: *insecure,
                tls_params: None,
            },
            _ => ConnectionAddr::Tcp(host, port),
        };
        self.info.clone().set_addr(addr)
    }
}

/// Host and port only.
impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.info.addr() {
            ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => {
                write!(f, "{host}:{port}")
            }
            _ => f.write_str("?"),
        }
    }
}
