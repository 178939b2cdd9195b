use std::{fmt, time::Duration};

use auth_core::Error;
use reqwest::{ClientBuilder, redirect, retry};

use super::ReqwestTransport;
use crate::client::build;

/// Settings of a [`ReqwestTransport`]. Made by [`ReqwestTransport::builder`].
///
/// # Example
///
/// ```no_run
/// use std::time::Duration;
///
/// use auth_reqwest::ReqwestTransport;
///
/// let transport = ReqwestTransport::builder()
///     .deadline(Duration::from_secs(5))
///     .configure(|client| client.user_agent("example/1.0"))
///     .build()?;
/// # Ok::<(), auth_core::Error>(())
/// ```
#[must_use]
pub struct ReqwestTransportBuilder {
    deadline: Duration,
    connect_timeout: Duration,
    environment_proxies: bool,
    configure: Configure,
}

type Configure = Box<dyn FnOnce(ClientBuilder) -> ClientBuilder + Send>;

impl ReqwestTransportBuilder {
    pub(crate) fn new() -> Self {
        Self {
            // Equals the deadline of a token request in auth-core, so that neither ends the other
            // early.
            deadline: Duration::from_secs(10),
            // Well below the deadline, so that a host that drops packets is distinguished from a
            // host that does not answer, and a late connection leaves time for the reply.
            connect_timeout: Duration::from_secs(4),
            environment_proxies: false,
            configure: Box::new(|client| client),
        }
    }

    /// Sets the deadline of a whole call, from the DNS lookup to the last byte of the reply.
    /// Default: 10 seconds.
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Sets the time-out for connecting: DNS lookup, TCP, proxy and TLS. Default: 4 seconds.
    ///
    /// Keep it shorter than the deadline of a token request (default: 10 seconds). The error about
    /// a host that drops packets then has the outcome
    /// [`NotSent`](auth_core::TokenRequestOutcome::NotSent), which spends no refresh token. If the
    /// deadline of the token request passes first, the outcome is unknown.
    pub fn connect_timeout(self, connect_timeout: Duration) -> Self {
        Self {
            connect_timeout,
            ..self
        }
    }

    /// Uses the proxies of the environment (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`, ...) and, with
    /// reqwest's feature `system-proxy`, of the operating system. Default: no proxy, so that the
    /// environment does not decide where secrets are sent.
    ///
    /// To use one specific proxy, set reqwest's `proxy` through [`configure`](Self::configure).
    pub fn environment_proxies(self) -> Self {
        Self {
            environment_proxies: true,
            ..self
        }
    }

    /// Changes settings of reqwest: root certificates, client certificate, proxy, user agent,
    /// resolver and others. Several changes are applied in the order of the calls.
    ///
    /// The settings that the [contract](auth_core::Transport#contract) of a transport requires are
    /// applied after these changes and cannot be changed: no redirects (and so no `Referer`), no
    /// retries, no decompression, no traffic in the log. The deadline of this builder replaces
    /// reqwest's `timeout`.
    ///
    /// The client uses HTTP/1.1 and keeps no idle connections, because token requests are rare and
    /// an old idle connection is often closed by the server. For many token requests, raise
    /// reqwest's `pool_max_idle_per_host` here.
    pub fn configure(
        self,
        change: impl FnOnce(ClientBuilder) -> ClientBuilder + Send + 'static,
    ) -> Self {
        let before = self.configure;
        Self {
            configure: Box::new(move |client| change(before(client))),
            ..self
        }
    }

    /// Validates the settings and makes the transport.
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config) on field `deadline` or `connect_timeout` if it is
    /// zero, and on field `client` if reqwest cannot make a client with these settings. With rustls
    /// the latter also happens if the operating system has no root certificates: install them
    /// (Debian: package `ca-certificates`), or set them with reqwest's `tls_certs_only`.
    pub fn build(self) -> Result<ReqwestTransport, Error> {
        for (field, time) in [
            ("deadline", self.deadline),
            ("connect_timeout", self.connect_timeout),
        ] {
            if time.is_zero() {
                return Err(Error::config(field, "must be longer than zero"));
            }
        }
        let mut client = ClientBuilder::new()
            .connect_timeout(self.connect_timeout)
            .pool_max_idle_per_host(0)
            .http1_only();
        if !self.environment_proxies {
            client = client.no_proxy();
        }
        let client = (self.configure)(client)
            .redirect(redirect::Policy::none())
            .retry(retry::never())
            .no_gzip()
            .no_brotli()
            .no_zstd()
            .no_deflate()
            .connection_verbose(false);
        Ok(ReqwestTransport::from_parts(build(client)?, self.deadline))
    }
}

impl fmt::Debug for ReqwestTransportBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestTransportBuilder")
            .field("deadline", &self.deadline)
            .field("connect_timeout", &self.connect_timeout)
            .field("environment_proxies", &self.environment_proxies)
            .finish_non_exhaustive()
    }
}
