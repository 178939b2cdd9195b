//! A connection that stays logged in.

use std::error::Error;

use auth_core::{Authenticator, Token, TokenWatch};
use redis::aio::MultiplexedConnection;

/// A connection to Redis, and the token that it is logged in with.
pub(crate) struct Session {
    connection: MultiplexedConnection,
    tokens: TokenWatch,
    user: &'static str,
}

impl Session {
    pub(crate) async fn open(
        url: &str,
        user: &'static str,
        authenticator: &Authenticator,
    ) -> Result<Self, Box<dyn Error>> {
        let client = redis::Client::open(url)?;
        Ok(Self {
            connection: client.get_multiplexed_async_connection().await?,
            tokens: authenticator.watch(),
            user,
        })
    }

    /// Waits for the next token, and logs in with it: at once the first time, then ahead of each
    /// expiry. Commands of other tasks go on meanwhile: clones of a connection share it.
    pub(crate) async fn log_in(&mut self) -> Result<Token, Box<dyn Error>> {
        let token = self.tokens.next().await?;
        // `AUTH user token`: the one place where the text of the token is exposed.
        let mut login = redis::cmd("AUTH");
        login.arg(self.user).arg(token.secret().expose());
        let () = login.query_async(&mut self.connection).await?;
        Ok(token)
    }

    pub(crate) fn connection(&self) -> MultiplexedConnection {
        self.connection.clone()
    }
}
