use std::{fmt, time::Duration};

use auth_core::{Error, SecretSource as _, SharedSecretSource};
use redis::{
    AsyncConnectionConfig, Client, ConnectionInfo, RedisResult, Value,
    aio::{ConnectionLike, MultiplexedConnection},
    cluster::ClusterClient,
    cluster_async::ClusterConnection,
};
use tokio::time;

use crate::{
    address::Address,
    call::{self, Order},
    error::{failed, store},
};

mod sentinel;

/// The servers, and the user.
pub(crate) struct Target {
    pub(crate) servers: Servers,
    pub(crate) username: Option<String>,
    pub(crate) password: Option<SharedSecretSource>,
    /// The trusted authorities as PEM, in place of the system's.
    #[cfg(feature = "tls")]
    pub(crate) ca: Option<Vec<u8>>,
    /// For one command with everything that it needs.
    pub(crate) timeout: Duration,
    /// For connecting before a command.
    pub(crate) connect_timeout: Duration,
}

pub(crate) enum Servers {
    One(Address),
    Cluster(Vec<Address>),
    Sentinels(Vec<Address>, String),
}

/// The connection that commands use; clones share it.
#[derive(Clone)]
pub(crate) enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Target {
    pub(crate) async fn connect(&self) -> Result<Connection, Error> {
        match &self.servers {
            Servers::One(address) => {
                let info = self.with_credentials(address.info.clone()).await?;
                let connection = self.connect_to(info).await;
                connection
                    .map(Connection::One)
                    .map_err(|error| failed("connect", &error))
            }
            Servers::Cluster(addresses) => self.connect_to_cluster(addresses).await,
            Servers::Sentinels(addresses, master) => {
                let connection = sentinel::connect(self, addresses, master).await;
                connection.map(Connection::One)
            }
        }
    }

    async fn connect_to(&self, info: ConnectionInfo) -> RedisResult<MultiplexedConnection> {
        // The time limit of a whole call is in `link`.
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(None)
            .set_response_timeout(None);
        self.client(info)?
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }

    async fn connect_to_cluster(&self, addresses: &[Address]) -> Result<Connection, Error> {
        let step = |error| failed("connect to the cluster", &error);
        let mut infos = Vec::new();
        for address in addresses {
            infos.push(self.with_credentials(address.info.clone()).await?);
        }
        // A node that hangs must leave time to look up and connect to the others.
        let builder = ClusterClient::builder(infos)
            .connection_timeout(self.timeout / 4)
            .response_timeout(self.timeout)
            .retries(3)
            .min_retry_wait(5)
            .max_retry_wait(50);
        #[cfg(feature = "tls")]
        let builder = match &self.ca {
            Some(ca) => builder.certs(certificates(ca)),
            None => builder,
        };
        let client = builder.build().map_err(step)?;
        let connection = client.get_async_connection().await.map_err(step)?;
        Ok(Connection::Cluster(connection))
    }

    /// Reads the password for each connection, because it may have changed.
    async fn with_credentials(&self, info: ConnectionInfo) -> Result<ConnectionInfo, Error> {
        let mut settings = info.redis_settings().clone().set_skip_set_lib_name();
        if let Some(username) = &self.username {
            settings = settings.set_username(username);
        }
        if let Some(password) = &self.password {
            let unread = |error: Error| {
                let problem = format!("the password could not be read: {error}");
                store("connect", &problem).with_source(error)
            };
            let password = password.read().await.map_err(unread)?;
            settings = settings.set_password(password.expose());
        }
        Ok(info.set_redis_settings(settings))
    }

    #[cfg(not(feature = "tls"))]
    fn client(&self, info: ConnectionInfo) -> RedisResult<Client> {
        Client::open(info)
    }

    #[cfg(feature = "tls")]
    fn client(&self, info: ConnectionInfo) -> RedisResult<Client> {
        match &self.ca {
            Some(ca) => Client::build_with_tls(info, certificates(ca)),
            None => Client::open(info),
        }
    }
}

impl Servers {
    pub(crate) fn addresses(&self) -> &[Address] {
        match self {
            Self::One(address) => std::slice::from_ref(address),
            Self::Cluster(addresses) | Self::Sentinels(addresses, _) => addresses,
        }
    }

    /// The hosts and ports that the program named.
    pub(crate) fn names(&self) -> String {
        let names = self.addresses().iter().map(|it| format!("{it:?}"));
        names.collect::<Vec<_>>().join(", ")
    }
}

impl fmt::Debug for Servers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.addresses().fmt(f)
    }
}

impl Connection {
    pub(crate) async fn send(&mut self, order: &Order) -> RedisResult<Value> {
        match (self, order) {
            (Self::One(connection), Order::Call(call)) => call.send(connection).await,
            (Self::Cluster(connection), Order::Call(call)) => call.send(connection).await,
            (Self::One(connection), Order::Load(texts)) => call::load(connection, texts).await,
            (Self::Cluster(connection), Order::Load(texts)) => {
                // All nodes are asked, and one of them may hang: the others are used.
                let loading = call::load(connection, texts);
                let _ = time::timeout(LOADING, loading).await;
                Ok(Value::Okay)
            }
        }
    }
}

/// For all nodes of a cluster to load the scripts.
const LOADING: Duration = Duration::from_millis(500);

#[cfg(feature = "tls")]
fn certificates(ca: &[u8]) -> redis::TlsCertificates {
    redis::TlsCertificates {
        client_tls: None,
        root_cert: Some(ca.to_vec()),
    }
}

/// Sends a command that uses no key.
async fn ask(connection: &mut impl ConnectionLike, words: &[&str]) -> RedisResult<Value> {
    let mut command = redis::Cmd::new();
    for word in words {
        command.arg(word);
    }
    command.query_async(connection).await
}
