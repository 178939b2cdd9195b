//! Tokens in Redis: what one process of a fleet was given, all of them use.
//!
//! Fifty processes that start together ask the vendor for fifty tokens, which is slow, counts
//! against a quota and sometimes locks an account. With a store that they share they ask once, a
//! refusal that one of them meets is known to all, and a vendor's `Retry-After` holds for the
//! fleet. For the processes of one machine, files do (crate `auth-store-file`).
//!
//! # Example
//!
//! ```
//! use auth_core::{
//!     Authenticator, AuthenticatorOptions, Error, Key, Origins, Secret, SecretFile, TokenSource,
//! };
//! use auth_store_redis::{RedisStore, SealingKeys};
//!
//! # fn authenticator(source: impl TokenSource) -> Result<Authenticator, Error> {
//! let store = RedisStore::builder("redis://127.0.0.1:6379")
//!     .username("auth")
//!     .password(Secret::new("fake-secret-1")) // or `SecretFile`, `SecretEnv`, ...
//!     .prefix("auth:my-service:")
//!     .sealing(
//!         SealingKeys::new(SecretFile::new("/run/secrets/sealing-key"))
//!             .name_key(SecretFile::new("/run/secrets/name-key")),
//!     )
//!     .build()?;
//! let key = Key::builder("example").client("my-client").scope("read").build();
//! let authenticator = Authenticator::builder(source, Origins::new(["https://api.example.com"])?)
//!     .key(key)
//!     .options(AuthenticatorOptions::new().store(store))
//!     .build()?;
//! # Ok(authenticator)
//! # }
//! # authenticator(auth_testkit::ScriptedSource::new()).unwrap();
//! ```
//!
//! # What it promises
//!
//! - It is a [`TokenStore`](auth_core::TokenStore), held to `auth_testkit::store_contract!` against
//!   a real server and a real cluster.
//! - Whatever is at its names and was not put there by it, under that name, counts as nothing:
//!   another type, another key's entry, something without an end. What looks like a lease and is
//!   not in the layout of one, has no end, or ends later than the longest lease (10 minutes), holds
//!   nobody up.
//! - Time is the server's: of entries, which end by themselves, of leases, and of an entry's age.
//!   An entry that has more than its whole life left, because the server's clock was set back, is
//!   of unknown age; one whose end is nearer looks younger by as much as the clock was set back.
//! - [`connect`](auth_core::TokenStore::connect) resolves the name, connects, authenticates and has
//!   the server load the scripts, within [2 s](RedisStoreBuilder::connect_timeout). Then each call
//!   is one round trip.
//! - A server that is down, silent, full, read-only, flushed, restarted or replaced ends in an
//!   error within the [timeout](RedisStoreBuilder::timeout), or in nothing found, and an
//!   authenticator goes on without. When it is back, it is used again: the connection is made anew,
//!   and one that broke while nobody used it is not noticed.
//! - A caller that goes away leaves no answer behind for the next one.
//!
//! # What the server must keep
//!
//! | setting | access tokens only | refresh tokens too |
//! |---|---|---|
//! | `maxmemory-policy` | `noeviction` is best | `noeviction`, always |
//! | `appendonly` | any | `yes` |
//! | `appendfsync` | any | `always`; `everysec` (the default) loses the last second |
//! | replicas | any | a failover loses what was not replicated yet |
//!
//! Every name that the store uses has an end, so the `volatile-...` policies, which managed
//! services often have as their default, evict its entries like the `allkeys-...` ones do;
//! `volatile-ttl` evicts leases first. An access token that is lost costs one token request, and a
//! lease that is lost lets two processes make one each. A refresh token that is lost, or that comes
//! back after it was spent, may cost a login by a person: many vendors revoke all of a user's
//! tokens when a refresh token is spent twice. With `noeviction` a full server refuses writes
//! (OOM), and an authenticator goes on without the store. `min-replicas-to-write 1` makes the time
//! that a failover can lose shorter; nothing in Redis makes it zero.
//!
//! # Servers
//!
//! | for | take |
//! |---|---|
//! | one server, or one name for whichever is the master | [`RedisStore::builder`] |
//! | a cluster | [`RedisStore::cluster`] |
//! | servers that sentinels watch | [`RedisStore::sentinel`] |
//!
//! Redis 6.2 or later, or what speaks its protocol and runs its scripts. A key's entry and lease
//! are in one slot of a cluster, and each call is about one name, so that keys are on all nodes.
//!
//! # Permissions
//!
//! All that a user needs, for the default prefix:
//!
//! ```text
//! user auth on >PASSWORD resetchannels ~auth:* -@all +eval +evalsha +get +pttl +set +del +script|load
//! ```
//!
//! Without `+script|load` the first call of each kind takes two round trips. Behind sentinels also
//! `+role`; in a cluster also `+cluster|slots` and `+readonly`; for another database than the first
//! `+select`.
//!
//! # Security
//!
//! Entries are sealed (crate `auth-store-seal`) with a key that Redis never sees: whoever can read
//! Redis, its memory, its dump or its network traffic reads no token. Without a key no store is
//! made, unless it is asked for by [`RedisStoreBuilder::danger_unsealed`]. How a key is replaced
//! while all processes run is told by [`SealingKeys`]; two fleets with different keys need
//! different [prefixes](RedisStoreBuilder::prefix), or each keeps replacing what the other put
//! there.
//!
//! Give the store a user of its own all the same, and a network of its own or TLS (`rediss://`,
//! feature `tls`). Names in Redis are hashes made with [the name key](SealingKeys::name_key):
//! without it nobody can find out by trying for whom there are tokens. No error or `Debug` of this
//! crate has a password, a URL, an entry or anything that the server said in it. The client below
//! it, crate `redis`, logs what a cluster's nodes said when they refused a connection, by crate
//! `log` under the name `redis`.
//!
//! # Features
//!
//! | feature | default | for |
//! |---|---|---|
//! | `tls` | no | `rediss://`, by rustls with aws-lc-rs; certificates of the system, or `RedisStoreBuilder::ca` |
//!
//! # Supported Rust
//!
//! 1.88, as the crate redis.

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
