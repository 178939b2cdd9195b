use auth_core::{Authenticator, AuthenticatorOptions, Origins, Secret};
use auth_oauth2::Client;

use crate::TestServer;

impl TestServer {
    /// Makes an authenticator for this server: client credentials by the standard (RFC 6749 section
    /// 4.4), with the server's client, secret, [clock](Self::clock) and origin, and without a
    /// socket. An authenticator with another clock never sees a token expire while tokio's time is
    /// paused, so its tests would pass for the wrong reason.
    ///
    /// # Example
    ///
    /// ```
    /// use std::time::Duration;
    ///
    /// use auth_testkit::TestServer;
    /// use tokio::time;
    ///
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() {
    /// let server = TestServer::builder().token_lifetime(Duration::from_secs(60)).in_memory();
    /// let authenticator = server.authenticator();
    /// authenticator.warm_up().await.unwrap();
    /// time::sleep(Duration::from_secs(61)).await;
    /// assert!(authenticator.try_token().is_none(), "the token has expired");
    /// # }
    /// ```
    ///
    /// # Panics
    ///
    /// If the server has no client secret.
    #[must_use]
    pub fn authenticator(&self) -> Authenticator {
        self.authenticator_with(AuthenticatorOptions::new())
    }

    /// As [`authenticator`](Self::authenticator), with options of the test. The clock in the
    /// options is replaced by the server's.
    ///
    /// # Panics
    ///
    /// As [`authenticator`](Self::authenticator), and if the options have a store: a store needs a
    /// key.
    #[must_use]
    pub fn authenticator_with(&self, options: AuthenticatorOptions) -> Authenticator {
        let clock = self.clock().clone();
        let source = Client::builder(self.token_url(), self.client_id(), self.transport())
            .secret(Secret::new(self.client_secret()))
            .clock(clock.clone())
            .build()
            .expect("the server has a client with a secret")
            .client_credentials();
        let origins = if self.origin().starts_with("https:") {
            Origins::new([self.origin()])
        } else {
            Origins::danger_allow_http([self.origin()])
        };
        Authenticator::builder(source, origins.expect("the server has an origin"))
            .vendor("test server")
            .options(options.clock(clock))
            .build()
            .expect("without a store, all settings are complete")
    }
}
