//! A token store in Redis: all processes of a fleet use the same token.
//!
//! Fifty processes that start together request fifty tokens, which is slow, counts against a quota
//! and sometimes locks an account. With a shared store they request one token, share what the
//! vendor rejected, and all obey its `Retry-After`. For the processes of one machine,
//! `auth-store-file` is enough.
//!
//! The terms of these pages are defined in the glossary of [`auth_core`](auth_core#glossary).
//!
//! All guides, in reading order: [Guides](https://docs.rs/auth-core/latest/auth_core/_documentation/).
//!
//! # Example
//!
//! ```
//! use auth_core::{
//!     Authenticator, AuthenticatorOptions, Error, Key, Origins, Secret, SecretFile, TokenSource,
//! };
//! use auth_store_redis::{RedisStore, SealingKeys};
//!
//! fn authenticator(source: impl TokenSource) -> Result<Authenticator, Error> {
//!     let store = RedisStore::builder("redis://127.0.0.1:6379")
//!         .username("auth")
//!         .password(Secret::new("fake-secret-1")) // or `SecretFile`, `SecretEnv`, ...
//!         .prefix("auth:my-service:")
//!         .sealing(
//!             SealingKeys::new(SecretFile::new("/run/secrets/sealing-key"))
//!                 .name_key(SecretFile::new("/run/secrets/name-key")),
//!         )
//!         .build()?;
//!     let key = Key::builder("example").client("my-client").scope("read").build();
//!     let authenticator = Authenticator::builder(source, Origins::new(["https://api.example.com"])?)
//!         .key(key)
//!         .options(AuthenticatorOptions::new().store(store))
//!         .build()?;
//!     Ok(authenticator)
//! }
//! # authenticator(auth_testkit::ScriptedSource::new()).unwrap();
//! ```
//!
//! # Guarantees
//!
//! - The store is a [`TokenStore`](auth_core::TokenStore) and passes
//!   `auth_testkit::store_contract!` against a real server and a real cluster.
//! - A value that this store did not write under that name is treated as missing: another type,
//!   another key's entry, a value without an expiry. A lease in another layout, without an expiry,
//!   or with an expiry later than the longest lease (10 minutes) is treated as free.
//! - Time is the server's: the expiry of entries and leases, and the age of entries. An entry with
//!   more than its whole time to live left, because the server's clock was set back, has an unknown
//!   age. If less is left, the entry looks younger by the step of the clock.
//! - [`connect`](auth_core::TokenStore::connect) resolves the name, connects, authenticates and
//!   loads the scripts, within [2 s](RedisStoreBuilder::connect_timeout). Then each call is one
//!   round trip.
//! - If a server is down, silent, full, read-only, flushed, restarted or replaced, a call ends in
//!   an error within the [timeout](RedisStoreBuilder::timeout), or finds no entry, and an
//!   authenticator continues without the store. When the server is back, the store connects again.
//!   A connection that broke while idle is replaced without an error.
//! - A caller that is cancelled leaves no answer on the connection for the next caller.
//!
//! # Settings of the server
//!
//! | setting | access tokens only | refresh tokens too |
//! |---|---|---|
//! | `maxmemory-policy` | `noeviction` is best | `noeviction`, always |
//! | `appendonly` | any | `yes` |
//! | `appendfsync` | any | `always`; `everysec` (the default) loses the last second |
//! | replicas | any | a failover loses what was not replicated yet |
//!
//! Every name that the store uses has an expiry, so the `volatile-...` policies, which managed
//! services often have as their default, evict entries as the `allkeys-...` policies do;
//! `volatile-ttl` evicts leases first. A lost access token costs one token request, and a lost
//! lease lets two processes send one each. A refresh token that is lost, or restored after its use,
//! may cost a login by a person: many vendors revoke all of a user's tokens when a refresh token is
//! used twice. With `noeviction` a full server refuses writes (OOM), and an authenticator continues
//! without the store. `min-replicas-to-write 1` shortens the time that a failover can lose; no
//! setting of Redis makes it zero.
//!
//! # Servers
//!
//! | for | take |
//! |---|---|
//! | one server, or one host name that always leads to the master | [`RedisStore::builder`] |
//! | a cluster | [`RedisStore::cluster`] |
//! | servers that sentinels watch | [`RedisStore::sentinel`] |
//!
//! Redis 6.2 or later, or a server with its protocol and scripts. A key's entry and lease are in
//! one slot of a cluster, and each call uses one name, so keys are spread over all nodes.
//!
//! # Permissions
//!
//! The permissions that a user needs, for the default prefix:
//!
//! ```text
//! user auth on >PASSWORD resetchannels ~auth:* -@all +eval +evalsha +get +pttl +set +del +script|load
//! ```
//!
//! Without `+script|load` the first call of each kind takes two round trips. Behind sentinels the
//! user also needs `+role`; in a cluster also `+cluster|slots` and `+readonly`; for another
//! database than the first also `+select`.
//!
//! # Security
//!
//! Entries are sealed (crate `auth-store-seal`) with a key that Redis never sees: a reader of
//! Redis, its memory, its dump or its network traffic cannot read a token. Without a key the store
//! cannot be built, unless [`RedisStoreBuilder::danger_unsealed`] is called. [`SealingKeys`]
//! explains how to replace a key while all processes run. Two fleets with different keys need
//! different [prefixes](RedisStoreBuilder::prefix), or each keeps replacing the other's entries.
//!
//! Give the store its own user in addition, and its own network or TLS (`rediss://`, feature
//! `tls`). Names in Redis are hashes made with [the name key](SealingKeys::name_key): without it
//! nobody can guess for whom there are tokens. No error or `Debug` of this crate contains a
//! password, a URL, an entry or an answer of the server. The client library, crate `redis`, logs
//! what a cluster's nodes answered when they refused a connection, with crate `log` under the
//! target `redis`.
//!
//! # Features
//!
//! | feature | default | for |
//! |---|---|---|
//! | `tls` | no | `rediss://`, by rustls with aws-lc-rs; certificates of the system, or `RedisStoreBuilder::ca` |
//!
//! # Supported Rust
//!
//! 1.88, as crate `redis`.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod address;
mod builder;
mod call;
mod entry;
mod error;
mod link;
mod name;
mod plain;
mod store;
mod target;

pub use auth_store_seal::SealingKeys;
pub use builder::RedisStoreBuilder;
pub use store::RedisStore;

/// The program of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
