use std::{error::Error, process::Command};

use auth_core::Secret;
use auth_testkit::redis_server::{FaultProxy, RedisServer};
use reqwest::Url;
use tokio::{net, task};

/// A Redis that fails when it is told to.
pub(crate) enum Redis {
    /// A process of its own, for this program alone. Ends with it.
    Started(Option<RedisServer>),
    /// Somebody else's, and the way there.
    Given { url: String, way: FaultProxy },
}

impl Redis {
    pub(crate) async fn start() -> Result<Self, Box<dyn Error>> {
        let version = Command::new(SERVER).arg("--version").output();
        if !version.is_ok_and(|version| version.status.success()) {
            return Err(MISSING.into());
        }
        let server = task::spawn_blocking(|| RedisServer::start(&[])).await?;
        Ok(Self::Started(Some(server)))
    }

    pub(crate) async fn given(url: &Secret) -> Result<Self, Box<dyn Error>> {
        let mut url = Url::parse(url.expose()).map_err(|_| "--redis is no URL")?;
        if url.scheme() != "redis" {
            return Err("--redis takes redis://HOST:PORT".into());
        }
        let host = url.host_str().unwrap_or("127.0.0.1").to_owned();
        let found = net::lookup_host((host, url.port().unwrap_or(6379))).await;
        let server = found.ok().and_then(|mut found| found.next());
        let server = server.ok_or("--redis: there is no such host")?;
        net::TcpStream::connect(server)
            .await
            .map_err(|error| format!("--redis: nothing answers at {server}: {error}"))?;
        let way = FaultProxy::start(server).await;
        let wrong = |()| "--redis takes redis://HOST:PORT";
        url.set_ip_host(way.address().ip()).map_err(wrong)?;
        url.set_port(Some(way.address().port())).map_err(wrong)?;
        Ok(Self::Given {
            url: url.into(),
            way,
        })
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Started(server) => server.as_ref().map(RedisServer::url).unwrap_or_default(),
            Self::Given { url, .. } => url.clone(),
        }
    }

    /// By SIGKILL, if it is this program's.
    pub(crate) fn fail(&mut self) {
        match self {
            Self::Started(server) => server.iter_mut().for_each(RedisServer::kill),
            Self::Given { way, .. } => way.refuse(),
        }
    }

    /// On the same port, and empty if it was killed. Returns how often a process was started again.
    pub(crate) async fn recover(&mut self) -> Result<u32, Box<dyn Error>> {
        match self {
            Self::Started(server) => {
                let Some(mut dead) = server.take() else {
                    return Ok(0);
                };
                let restarted = task::spawn_blocking(move || {
                    dead.restart();
                    dead
                });
                *server = Some(restarted.await?);
                Ok(1)
            }
            Self::Given { way, .. } => {
                way.pass();
                Ok(0)
            }
        }
    }
}

const SERVER: &str = "redis-server";
const MISSING: &str = "there is no redis-server on the PATH: install it (`apt-get install \
                       redis-server`), or name one with --redis URL";
