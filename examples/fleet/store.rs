//! The store that the processes share.

use std::time::Duration;

use auth_core::{Error, Secret};
use auth_store_redis::{RedisStore, SealingKeys};
use serde::{Deserialize, Serialize};

/// The settings of the shared store: URL, encryption key, and prefix of its keys.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct StoreSettings {
    pub(crate) url: String,
    pub(crate) prefix: String,
    pub(crate) sealing_key: String,
    pub(crate) name_key: String,
}

impl StoreSettings {
    pub(crate) fn open(self) -> Result<RedisStore, Error> {
        RedisStore::builder(&self.url)
            .prefix(self.prefix)
            // Default: 50 ms. 17 processes and Redis share this machine.
            .latency_budget(Duration::from_millis(250))
            .sealing(
                SealingKeys::new(Secret::new(self.sealing_key))
                    .name_key(Secret::new(self.name_key)),
            )
            .build()
    }
}
