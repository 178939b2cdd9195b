//! A token store in files: the next run of a program, and other processes on the same machine, use
//! the same token.
//!
//! A command line tool starts, sends three requests and ends. Without a store, each run requests a
//! token, which is slow, counts against a quota and sometimes locks an account. With a store, a
//! hundred runs request one token. The same applies to several workers on one machine. For several
//! machines use another store, for example `auth-store-redis`: the locks of network file systems
//! are not reliable.
//!
//! The terms of these pages are defined in the glossary of [`auth_core`](auth_core#glossary).
//!
//! All guides, in reading order: [Guides](https://docs.rs/auth-core/latest/auth_core/_documentation/).
//!
//! # Example
//!
//! ```
//! use std::path::Path;
//!
//! use auth_core::{Authenticator, AuthenticatorOptions, Error, Key, Origins, TokenSource};
//! use auth_store_file::FileStore;
//!
//! /// The directory is for example `/home/me/.cache/my-tool/tokens`.
//! fn authenticator(source: impl TokenSource, dir: &Path) -> Result<Authenticator, Error> {
//!     let store = FileStore::new(dir)?;
//!     let key = Key::builder("example").client("my-client").scope("read").build();
//!     Authenticator::builder(source, Origins::new(["https://api.example.com"])?)
//!         .key(key)
//!         .options(AuthenticatorOptions::new().store(store))
//!         .build()
//! }
//! # let dir = std::env::temp_dir().join(format!("auth-store-file-doc-{}", std::process::id()));
//! # authenticator(auth_testkit::ScriptedSource::new(), &dir).unwrap();
//! # std::fs::remove_dir_all(dir).unwrap();
//! ```
//!
//! # Guarantees
//!
//! - The store is a [`TokenStore`](auth_core::TokenStore) and passes
//!   `auth_testkit::store_contract!`.
//! - A reader sees a whole file or none. A file that is cut, changed, of another key or of a later
//!   release is moved aside and treated as missing.
//! - The lease of a process that ends or is killed ends with the process. The lease of a stopped
//!   process ends after the lease's time to live.
//! - Setting the clock makes no entry look younger, and no lease longer.
//! - Errors of the disk are returned as errors of the store; an authenticator continues without the
//!   store.
//!
//! # Security
//!
//! Tokens are not encrypted, but protected by permissions, like SSH keys. On Unix only the owner
//! can read the directory and its files, and the store refuses a directory that others can write to
//! or replace. On other systems, set the directory's permissions. If others can read the disk, put
//! `auth_store_seal::SealedStore` around the store.
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
