use std::error::Error;

use auth_core::Secret;
use redis_process::FaultProxy;
use reqwest::Url;
use tokio::net;

use crate::keeper::Keeper;

/// A Redis that fails on command.
pub(crate) enum Redis {
    /// Started by this program, and ends with it.
    Started(Box<Keeper>),
    /// The user's Redis, and the proxy in front of it.
    Given { url: String, way: FaultProxy },
}

impl Redis {
    pub(crate) async fn start() -> Result<Self, Box<dyn Error>> {
        Ok(Self::Started(Box::new(Keeper::start().await?)))
    }

    pub(crate) async fn given(url: &Secret) -> Result<Self, Box<dyn Error>> {
        let mut url =
            Url::parse(url.expose()).map_err(|_| "--redis is not a URL; use redis://HOST:PORT")?;
        if url.scheme() != "redis" {
            return Err("--redis must have the form redis://HOST:PORT".into());
        }
        let host = url.host_str().unwrap_or("127.0.0.1").to_owned();
        let found = net::lookup_host((host, url.port().unwrap_or(6379))).await;
        let server = found.ok().and_then(|mut found| found.next());
        let server = server.ok_or("--redis: the host was not found; check its name")?;
        net::TcpStream::connect(server)
            .await
            .map_err(|error| format!("--redis: no connection to {server}: {error}"))?;
        let way = FaultProxy::start(server).await;
        let (ip, port) = (way.address().ip().to_string(), way.address().port());
        let wrong = "--redis must have the form redis://HOST:PORT";
        url.set_host(Some(&ip)).map_err(|_| wrong)?;
        url.set_port(Some(port)).map_err(|()| wrong)?;
        Ok(Self::Given {
            url: url.into(),
            way,
        })
    }

    pub(crate) fn url(&self) -> &str {
        match self {
            Self::Started(keeper) => keeper.url(),
            Self::Given { url, .. } => url,
        }
    }

    /// Returns the name of its failure.
    pub(crate) const fn failed(&self) -> &'static str {
        match self {
            Self::Started(_) => "Redis killed",
            Self::Given { .. } => "Redis cut off",
        }
    }

    /// Kills it with SIGKILL if this program started it; otherwise cuts the connection.
    pub(crate) async fn fail(&mut self) -> Result<(), Box<dyn Error>> {
        match self {
            Self::Started(keeper) => keeper.turn().await?,
            Self::Given { way, .. } => way.refuse(),
        }
        Ok(())
    }

    /// Starts it again on the same port, empty if it was killed. Returns how often a process was
    /// started again.
    pub(crate) async fn recover(&mut self) -> Result<u32, Box<dyn Error>> {
        match self {
            Self::Started(keeper) => {
                keeper.turn().await?;
                Ok(1)
            }
            Self::Given { way, .. } => {
                way.pass();
                Ok(0)
            }
        }
    }

    pub(crate) async fn end(self) -> Result<(), Box<dyn Error>> {
        match self {
            Self::Started(keeper) => keeper.end().await,
            Self::Given { .. } => Ok(()),
        }
    }
}
