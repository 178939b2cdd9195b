//! Models of the map: `cargo xtask models`.

use super::*;
use crate::{ApiKey, Origins, Secret};

#[cfg(model = "shuttle")]
mod eviction;
#[cfg(model = "loom")]
mod in_use;
#[cfg(model = "shuttle")]
mod tables;

fn authenticator() -> Result<Authenticator, Error> {
    let origins = Origins::new(["https://api.example.com"])?;
    Authenticator::builder(ApiKey::new(Secret::new("fake-key")), origins).build()
}
