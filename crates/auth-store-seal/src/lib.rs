//! Sealed tokens: whoever can read or write a token store, and no more than that, has no token.
//!
//! A store that many processes share is also shared with whoever runs it, backs it up or breaks
//! into it. [`SealedStore`] stands before any [`TokenStore`](auth_core::TokenStore): what goes in
//! is encrypted with a key that the store never sees, and what comes out is either what one of the
//! processes put there, for this very key and version, or an error. Names are keyed hashes.
//!
//! # Example
//!
//! ```
//! use auth_core::{
//!     Authenticator, AuthenticatorOptions, Error, Key, MemoryStore, Origins, SecretFile, TokenSource,
//! };
//! use auth_store_seal::{SealedStore, SealingKeys};
//!
//! # async fn authenticator(source: impl TokenSource) -> Result<Authenticator, Error> {
//! // Each made by `openssl rand -base64 32`.
//! let keys = SealingKeys::new(SecretFile::new("/run/secrets/sealing-key"))
//!     .name_key(SecretFile::new("/run/secrets/name-key"));
//! keys.check().await?;
//! let store = SealedStore::new(MemoryStore::new(), keys)?; // or a store that others see
//! let key = Key::builder("example").client("my-client").build();
//! let authenticator = Authenticator::builder(source, Origins::new(["https://api.example.com"])?)
//!     .key(key)
//!     .options(AuthenticatorOptions::new().store(store))
//!     .build()?;
//! # Ok(authenticator)
//! # }
//! ```
//!
//! # What it promises
//!
//! - It is a `TokenStore`, held to `auth_testkit::store_contract!`.
//! - Nothing is ever put into the store in plain text, whatever is wrong with a key.
//! - Whatever cannot be opened is reported as unreadable and can be replaced by its version:
//!   damage, another fleet's entries and later releases' cost a token request each, and never a
//!   panic. Where refresh tokens are kept it is an error that says which key is missing, and
//!   nothing is replaced.
//! - A sealing key is replaced without a restart of all processes at once, and without a token
//!   request more: see [`SealingKeys`].
//!
//! # Security
//!
//! Sealed is by XChaCha20-Poly1305 with a random nonce for each entry. Associated with it are the
//! layout, the SHA-256 of the [`Key`](auth_core::Key) and the entry's
//! [`EntryVersion`](auth_core::EntryVersion), so that an entry that was changed, cut, put under
//! another key or given another version does not open. The version of an entry that does open is
//! authentic.
//!
//! An entry's name in the store is SHA-256 of a label, [the name key](SealingKeys::name_key), and
//! the SHA-256 of the [`Key`](auth_core::Key): without the name key nobody can find out by trying
//! for whom the store has tokens.
//!
//! The store still sees how long an entry is, when it was written and for how long, who has a
//! lease, and which entries have the same sealing key. It can forget entries, hold them back, and
//! bring back an earlier one together with its version: a token that the vendor still takes, or
//! that the API refuses once more.
//!
//! # Supported Rust
//!
//! 1.85.

mod entry;
mod key;
mod keys;
mod names;
mod store;
mod warned;

pub use keys::SealingKeys;
pub use store::SealedStore;

/// The program of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
