//! Tokens in files: what one run of a program was given, the next run and its neighbours use.
//!
//! A tool on the command line starts, makes three requests and ends. Without a store each run
//! asks the vendor for a token, which is slow, counts against a quota and sometimes locks an
//! account; with one, a hundred runs ask once. The same goes for workers beside each other on one
//! machine. For more machines than one take another store: the locks of network file systems are
//! not to be relied on.
//!
//! # Example
//!
//! ```
//! use auth_core::{Authenticator, AuthenticatorOptions, Error, Key, Origins, TokenSource};
//! use auth_store_file::FileStore;
//!
//! # fn authenticator(source: impl TokenSource) -> Result<Authenticator, Error> {
//! # let dir = std::env::temp_dir().join(format!("auth-store-file-doc-{}", std::process::id()));
//! # struct Gone(std::path::PathBuf);
//! # impl Drop for Gone { fn drop(&mut self) { let _ = std::fs::remove_dir_all(&self.0); } }
//! # let _gone = Gone(dir.clone());
//! let store = FileStore::new(dir)?; // "/home/me/.cache/my-tool/tokens", for example
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
//! - It is a [`TokenStore`](auth_core::TokenStore), held to `auth_testkit::store_contract!`.
//! - A reader sees a file as it was written or not at all: whatever is cut, changed, another key's
//!   or a later release's is moved aside and counts as nothing.
//! - A process that ends or is killed holds nobody up: its lease ends with it. One that is stopped
//!   holds others up for the time of its lease, and never for ever.
//! - Setting the clock makes no entry look younger, and no lease longer.
//! - What the disk does wrong ends in an error that an authenticator goes on without.
//!
//! # Security
//!
//! Tokens are not encrypted, but kept from others as SSH keeps its keys: on Unix the directory is
//! made for its owner alone, one that others may write to or replace is refused, and files are
//! readable by their owner alone. Elsewhere the directory's own permissions have to do. Where
//! others may read the disk all the same, put `auth_store_seal::SealedStore` around the store.
//!
//! # Supported Rust
//!
//! 1.85.

mod dir;
mod entry;
mod guard;
mod lease;
mod lock;
mod name;
mod stamp;
mod store;
mod write;

pub use store::FileStore;

/// The program of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
