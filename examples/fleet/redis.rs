use std::error::Error;

use auth_core::Secret;
use redis_process::FaultProxy;
use reqwest::Url;
use tokio::net;

use crate::keeper::Keeper;

/// A Redis that fails when it is told to.
pub(crate) enum Redis {
    /// For this program alone. Ends with it.
    Started(Box<Keeper>),
    /// The user's Redis, and the proxy in front of it.
    Given { url: String, way: FaultProxy },
}

impl Redis {
    pub(crate) async fn start() -> Result<Self, Box<dyn Error>> {
        Ok(Self::Started(Box::new(Keeper::start().await?)))
    }

    pub(crate) async fn given(url: &Secret) -> Result<Self, Box<dyn Error>> {
        let mut url = Url::parse(url.expose()).map_err(|_| "--redis is not a URL")?;
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
        let (ip, port) = (way.address().ip().to_string(), way.address().port());
        let wrong = "--redis takes redis://HOST:PORT";
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

    /// What its failure is called.
    pub(crate) const fn failed(&self) -> &'static str {
        match self {
            Self::Started(_) => "Redis killed",
            Self::Given { .. } => "Redis cut off",
        }
    }

    /// By SIGKILL, if it is this program's.
    pub(crate) async fn fail(&mut self) -> Result<(), Box<dyn Error>> {
        match self {
            Self::Started(keeper) => keeper.turn().await?,
            Self::Given { way, .. } => way.refuse(),
        }
        Ok(())
    }

    /// On the same port, and empty if it was killed. Returns how often a process was started again.
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
