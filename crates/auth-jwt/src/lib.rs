//! Signed JWT assertions for OAuth 2.0 (RFC 7523): a service authenticates with a private key and
//! shares no secret with the authorization server.
//!
//! This crate signs assertions. [`auth_oauth2`] sends them. `auth-core`'s
//! [`Authenticator`](auth_core::Authenticator) decides when: one token request with one assertion
//! serves all callers, in all processes that share a store. `jsonwebtoken` does the cryptography,
//! with the library of your choice.
//!
//! The terms of these pages are defined in the glossary of [`auth_core`](auth_core#glossary).
//!
//! All guides, in reading order: [Guides](https://docs.rs/auth-core/latest/auth_core/_documentation/).
//!
//! # Example
//!
//! ```
//! use auth_core::{Authenticator, Error, Origins, SecretFile, Transport};
//! use auth_jwt::{JwtAlgorithm, JwtSigner};
//! use auth_oauth2::Client;
//!
//! fn authenticator(transport: impl Transport) -> Result<Authenticator, Error> {
//!     let key = SecretFile::new("/run/secrets/my-client.pem");
//!     let client = Client::builder("https://login.example.com/token", "my-client", transport)
//!         .issuer("https://login.example.com")
//!         .client_assertion(JwtSigner::new(JwtAlgorithm::Es256, key))
//!         .build()?;
//!     let origins = Origins::new(["https://api.example.com"])?;
//!     Authenticator::builder(client.client_credentials(), origins)
//!         .vendor("example")
//!         .build()
//! }
//! ```
//!
//! # Where to find what
//!
//! | you want | see |
//! |---|---|
//! | `private_key_jwt`: a signing key in place of a client secret | [`JwtSigner`] in [`client_assertion`](auth_oauth2::ClientBuilder::client_assertion) |
//! | `client_secret_jwt`: the client secret signs and is not sent | [`JwtSigner`] with [`JwtAlgorithm::Hs256`] |
//! | the JWT bearer grant: Salesforce, SAP | [`JwtSigner`] in [`jwt_bearer`](auth_oauth2::Client::jwt_bearer) |
//! | a Google service account | [`ServiceAccount`] |
//! | a GitHub App | [`JwtSigner`] in an [`AssertionLogin`](auth_oauth2::AssertionLogin) |
//! | a key that does not leave its service (KMS, HSM) | [`AssertionSigner`](auth_oauth2::AssertionSigner), without this crate |
//! | an assertion that another program issues (Kubernetes, SPIFFE) | [`Assertion`](auth_oauth2::Assertion), without this crate |
//!
//! # Guarantees
//!
//! - Each token request has its own assertion: a new `jti`, the current `iat`, and an `exp` that is
//!   60 seconds ahead by default.
//! - `aud` is the issuer that the program set, unless the program chooses otherwise. No answer of a
//!   server changes it.
//! - The key is read before each token request, and once more when the server rejects the
//!   assertion.
//! - A key that does not fit is an error on field `signing_key` that says what was found and what
//!   to do. No error contains a part of the key.
//! - No call panics, with any features of `jsonwebtoken` that other crates enable.
//!
//! # Cargo features
//!
//! Choose one. Without one, [`ClientBuilder::build`](auth_oauth2::ClientBuilder::build) fails
//! unless the program installs a provider with
//! `jsonwebtoken::crypto::CryptoProvider::install_default`. With both, `aws-lc-rs` signs.
//!
//! | feature | default | effect |
//! |---|---|---|
//! | `aws-lc-rs` | no | signs with the crate `aws-lc-rs`, which needs a C compiler |
//! | `rust-crypto` | no | signs with the crates of the RustCrypto project |
//!
//! Supported Rust: see `rust-version` in the manifest.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod algorithm;
mod audience;
mod jwk_keys;
mod key;
mod keys;
mod pem_keys;
mod pkcs;
mod provider;
mod service_account;
mod signer;

pub use algorithm::JwtAlgorithm;
pub use audience::JwtAudience;
pub use service_account::{ServiceAccount, ServiceAccountBuilder};
pub use signer::JwtSigner;

/// The program of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
