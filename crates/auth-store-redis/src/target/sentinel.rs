use auth_core::Error;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use redis::{RedisConnectionInfo, Value, aio::MultiplexedConnection, from_redis_value};

use super::{Target, ask};
use crate::{
    address::Address,
    error::{failed, store},
};

/// Asks all sentinels at the same time, so that one that hangs delays nothing, and connects to the
/// first reported server that says itself that it is the master.
pub(super) async fn connect(
    target: &Target,
    sentinels: &[Address],
    master: &str,
) -> Result<MultiplexedConnection, Error> {
    let asked = sentinels
        .iter()
        .map(|sentinel| by(target, sentinel, master));
    let mut asked: FuturesUnordered<_> = asked.collect();
    let mut last = None;
    while let Some(answer) = asked.next().await {
        match answer {
            Ok(connection) => return Ok(connection),
            Err(error) => last = Some(error),
        }
    }
    Err(last.unwrap_or_else(|| store(ASK, "no sentinel is configured")))
}

async fn by(
    target: &Target,
    sentinel: &Address,
    master: &str,
) -> Result<MultiplexedConnection, Error> {
    let MasterAddress { host, port } = named(target, sentinel, master).await?;
    // The sentinel has its own user name and password.
    let settings = RedisConnectionInfo::default().set_db(sentinel.database());
    let info = sentinel.at(host, port).set_redis_settings(settings);
    let info = target.with_credentials(info).await?;
    let step = |error| failed("connect to the master", &error);
    let mut connection = target.connect_to(info).await.map_err(step)?;
    let role = ask(&mut connection, &["ROLE"]).await.map_err(step)?;
    match role {
        Value::Array(role) if role.first().is_some_and(is_master) => Ok(connection),
        _ => Err(store(
            "connect to the master",
            "the server is no longer the master",
        )),
    }
}

struct MasterAddress {
    host: String,
    port: u16,
}

/// The address of the master, as the sentinel reports it.
async fn named(target: &Target, sentinel: &Address, master: &str) -> Result<MasterAddress, Error> {
    let step = |error| failed(ASK, &error);
    let settings = sentinel.info.redis_settings().clone();
    let settings = settings.set_db(0).set_skip_set_lib_name();
    let info = sentinel.info.clone().set_redis_settings(settings);
    let mut connection = target.connect_to(info).await.map_err(step)?;
    let question = ["SENTINEL", "GET-MASTER-ADDR-BY-NAME", master];
    match ask(&mut connection, &question).await.map_err(step)? {
        Value::Nil => Err(store(ASK, "the sentinel knows no master of that name")),
        answer => {
            let (host, port) = from_redis_value(answer)
                .map_err(|_| store(ASK, "the sentinel sent an answer of an unexpected type"))?;
            Ok(MasterAddress { host, port })
        }
    }
}

fn is_master(role: &Value) -> bool {
    match role {
        Value::BulkString(role) => role == b"master",
        Value::SimpleString(role) => role == "master",
        _ => false,
    }
}

const ASK: &str = "ask a sentinel";
