//! Encrypts the entries of a token store: a person who can only read or write the store gets no
//! token.
//!
//! A store that many processes share can also be read by its operators, in its backups, and by an
//! attacker. [`SealedStore`] wraps any [`TokenStore`](auth_core::TokenStore) and encrypts all
//! entries with a key that the store never sees. A loaded entry is either what one of the processes
//! wrote for exactly this key and version, or an error. Names are keyed hashes.
//!
//! The terms of these pages are defined in the glossary of [`auth_core`](auth_core#glossary).
//!
//! All guides, in reading order: [Guides](https://docs.rs/auth-core/latest/auth_core/_documentation/).
//!
//! # Example
//!
//! ```
//! use auth_core::{
//!     Authenticator, AuthenticatorOptions, Error, Key, MemoryStore, Origins, SecretFile, TokenSource,
//! };
//! use auth_store_seal::{SealedStore, SealingKeys};
//!
//! async fn authenticator(source: impl TokenSource) -> Result<Authenticator, Error> {
//!     // Each printed by `openssl rand -base64 32`.
//!     let keys = SealingKeys::new(SecretFile::new("/run/secrets/sealing-key"))
//!         .name_key(SecretFile::new("/run/secrets/name-key"));
//!     keys.check().await?;
//!     let store = SealedStore::new(MemoryStore::new(), keys)?; // or a store that others can read
//!     let key = Key::builder("example").client("my-client").build();
//!     let authenticator = Authenticator::builder(source, Origins::new(["https://api.example.com"])?)
//!         .key(key)
//!         .options(AuthenticatorOptions::new().store(store))
//!         .build()?;
//!     Ok(authenticator)
//! }
//! ```
//!
//! # Guarantees
//!
//! - The store is a `TokenStore` and passes `auth_testkit::store_contract!`.
//! - No entry is ever stored in plain text, also not when a key is missing or invalid.
//! - An entry that cannot be opened is reported as unreadable and can be replaced by its version.
//!   Damaged entries, another fleet's and those of later releases cost one token request each, and
//!   never a panic. A source that keeps refresh tokens gets an error that names the missing key,
//!   and nothing is replaced.
//! - A sealing key can be replaced without a restart of all processes at once, and without an
//!   additional token request: see [`SealingKeys`].
//!
//! # Security
//!
//! Entries are encrypted with XChaCha20-Poly1305 and a random nonce each. The associated data are
//! the layout, the SHA-256 of the [`Key`](auth_core::Key) and the entry's
//! [`EntryVersion`](auth_core::EntryVersion), so an entry that was changed, cut, moved to another
//! key or given another version does not open. The version of an entry that opens is authentic.
//!
//! An entry's name in the store is SHA-256 of a label, [the name key](SealingKeys::name_key), and
//! the SHA-256 of the [`Key`](auth_core::Key). Without the name key nobody can test by guessing for
//! whom the store has tokens.
//!
//! The store still sees the length of an entry, its time of writing and time to live, the owner of
//! a lease, and which entries have the same sealing key. It can delete entries, withhold them, and
//! restore an earlier one together with its version: a token that the vendor still accepts, or that
//! the API refuses again.
//!
//! # Supported Rust
//!
//! 1.87.

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
