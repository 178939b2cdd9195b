//! The store contract.

use auth_store_redis::RedisStore;
use auth_testkit::{store_contract, store_contract::Place};
use libtest_mimic::Trial;
use redis_process::RedisServer;

use crate::{
    cluster,
    stand::{sealed, sealed_with},
};

pub(crate) fn trials() -> Vec<Trial> {
    let list = |place: &str, clauses: [(&str, fn()); 21]| {
        let trial = |(name, clause): (&str, fn())| {
            Trial::test(format!("contract::{place}::{name}"), move || {
                clause();
                Ok(())
            })
        };
        clauses.map(trial)
    };
    let single = list("single", store_contract!(Single => list));
    let cluster = list("cluster", store_contract!(Cluster => list));
    single.into_iter().chain(cluster).collect()
}

struct Single(RedisServer);

impl Place for Single {
    type Store = RedisStore;
    const PAUSED: bool = false;

    async fn new() -> Self {
        Self(RedisServer::start(&[]))
    }

    async fn open(&self) -> RedisStore {
        sealed(RedisStore::builder(self.0.url()))
    }

    async fn open_blind(&self) -> Option<RedisStore> {
        Some(sealed_with("b1", RedisStore::builder(self.0.url())))
    }
}

/// Its own prefix in the shared cluster.
struct Cluster {
    urls: Vec<String>,
    prefix: String,
}

impl Place for Cluster {
    type Store = RedisStore;
    const PAUSED: bool = false;

    async fn new() -> Self {
        let (urls, prefix) = cluster::shared();
        Self { urls, prefix }
    }

    async fn open(&self) -> RedisStore {
        sealed(RedisStore::cluster(&self.urls).prefix(&self.prefix))
    }

    async fn open_blind(&self) -> Option<RedisStore> {
        let store = RedisStore::cluster(&self.urls).prefix(&self.prefix);
        Some(sealed_with("b1", store))
    }
}
