use std::{fmt, time::Duration};

use auth_core::Error;
use reqwest::{ClientBuilder, redirect, retry};

use crate::{ReqwestTransport, client::build};

/// Settings of a [`ReqwestTransport`].
///
/// Made by [`ReqwestTransport::builder`].
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
            // The deadline of an exchange, so that neither cuts the other short.
            deadline: Duration::from_secs(10),
            // Half of it: what is left is enough for the reply to a connection that came late.
            connect_timeout: Duration::from_secs(5),
            environment_proxies: false,
            configure: Box::new(|client| client),
        }
    }

    /// Sets the time for a whole call, from the first step of connecting to the last byte of the
    /// reply; 10 s unless set.
    pub fn deadline(self, deadline: Duration) -> Self {
        Self { deadline, ..self }
    }

    /// Sets the time for making a connection, TLS included; 5 s unless set.
    pub fn connect_timeout(self, connect_timeout: Duration) -> Self {
        Self {
            connect_timeout,
            ..self
        }
    }

    /// Takes proxies from the environment (`HTTPS_PROXY`, `ALL_PROXY`, `NO_PROXY`, ...) and, with
    /// reqwest's feature `system-proxy`, from the operating system.
    ///
    /// Without this, none are, so that nothing in the environment decides where secrets go. A
    /// proxy of one's own choice is set through [`configure`](Self::configure).
    pub fn environment_proxies(self) -> Self {
        Self {
            environment_proxies: true,
            ..self
        }
    }

    /// Changes reqwest's settings: root certificates, client certificate, proxy, user agent,
    /// resolver, ... Several changes take effect in their order.
    ///
    /// What the [contract](auth_core::Transport#contract) of a transport asks for is set after
    /// them and stays as it is: no redirects (and so no `Referer`), no retries, no decompression, no
    /// dump of the traffic into the log, and this builder's deadline instead of reqwest's `timeout`.
    ///
    /// Idle connections are not kept and HTTP/1.1 is spoken: token calls are rare, and a connection
    /// that was idle for long is often dead. Where there are many of them, raise reqwest's
    /// `pool_max_idle_per_host` here.
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

    /// Makes the transport.
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config) on field `deadline` or `connect_timeout` for zero,
    /// and on field `client` if reqwest cannot make a client of these settings; with rustls also
    /// if the operating system has no root certificates (add its package, or name the roots with
    /// reqwest's `tls_certs_only`).
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
