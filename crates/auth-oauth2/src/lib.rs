//! Fetches OAuth 2.0 access tokens: client credentials, password, refresh token, token exchange and
//! JWT bearer grants as [`TokenSource`](auth_core::TokenSource)s.
//!
//! A token request is one small POST with many edge cases: secrets with a `%`, lifetimes that are
//! strings or negative, HTML with status 200, redirects that would carry the client secret to
//! another host, error texts that echo the secret into a log. This crate handles them. It does not
//! cache and does not retry: an [`Authenticator`](auth_core::Authenticator) does. It contains no
//! HTTP client: you pass a [`Transport`](auth_core::Transport).
//!
//! The terms of these pages are defined in the glossary of [`auth_core`](auth_core#glossary).
//!
//! All guides, in reading order: [Guides](https://docs.rs/auth-core/latest/auth_core/_documentation/).
//!
//! # Example
//!
//! ```
//! use auth_core::{Authenticator, Error, Origins, Secret, Transport};
//! use auth_oauth2::Client;
//!
//! fn authenticator(transport: impl Transport) -> Result<Authenticator, Error> {
//!     let url = "https://login.example.com/oauth2/token";
//!     let client = Client::builder(url, "my-client", transport)
//!         .secret(Secret::new("fake-secret"))
//!         .scope("read:meters")
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
//! | you want to | see |
//! |---|---|
//! | set up a client: token endpoint, secret, scope | [`Client`] |
//! | configure the issuer only, and have the token endpoint looked up (RFC 8414, OpenID Connect Discovery) | [`Client::discover`], [`Discovery`] |
//! | get a token for the program itself (RFC 6749 section 4.4) | [`Client::client_credentials`] |
//! | get a token for a user name and a password, if the vendor offers no other grant (section 4.3) | `Client::password`, with the feature `password` |
//! | act for a user, with that user's access token (RFC 8693) | [`Client::token_exchange`] |
//! | get tokens for the refresh token of a person's login (section 6) | [`Client::refresh_token`] |
//! | get a token for an assertion: Google service accounts, Salesforce, SAP (RFC 7523 section 2.1) | [`Client::jwt_bearer`] |
//! | authenticate the client without a shared secret: a Kubernetes or SPIFFE token, a signing key (RFC 7523 section 2.2) | [`ClientBuilder::client_assertion`] |
//! | get a token for an assertion from an API that is not OAuth: a GitHub App | [`AssertionLogin`] |
//! | use a vendor-specific login | [`TokenEndpoint`] |
//! | set up Auth0, Entra ID, Okta, Keycloak, Cognito, Google, GitHub or Salesforce | the guide [Recipes](_documentation::recipes) |
//! | write a crate for another vendor, with a fake server and tests | the guide [Add a vendor](_documentation::add_a_vendor) |
//! | choose how the client authenticates: Basic, raw Basic, in the body, not at all | [`ClientAuth`] |
//! | send JSON instead of a form | [`BodyFormat`] |
//! | read a reply that differs from the standard | [`ReplyRules`], [`parse_reply`] |
//! | remove secrets from a vendor's texts | [`Scrubber`] |
//! | read `Retry-After` | [`retry_after`] |
//!
//! # Guarantees
//!
//! - A setting that cannot work is an error that names the setting, before a request is sent.
//! - Credentials are sent in the body or in one `Authorization` header, never in a URL. They are
//!   sent over `https`, or over `http` to an origin that `danger_allow_http` names. They are read
//!   before each token request, and wiped after it.
//! - A redirect ends the token request. The size of a reply is limited.
//! - No reply causes a panic, a number overflow or an endless loop. A reply without a lifetime
//!   gives a token without a lifetime, which the authenticator's policy limits.
//! - An error contains no byte of a reply's body except the vendor's code and description. These
//!   are shortened, without control characters, and without any secret that was sent, in any usual
//!   encoding.
//!
//! # Cargo features
//!
//! | feature | default | effect |
//! |---|---|---|
//! | `password` | no | the password grant. RFC 9700 section 2.4 forbids it; use it only if the vendor offers no other grant |
//! | `serde` | no | settings from files: `ClientSettings` |
//!
//! Supported Rust: see `rust-version` in the manifest.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(doc)]
pub mod _documentation;
mod assertion;
mod assertion_login;
mod client;
mod client_auth;
mod client_credentials;
mod clock_advice;
mod discovery;
#[cfg(feature = "serde")]
mod from_file;
mod grant_type;
mod jwt_bearer;
mod parameter;
#[cfg(feature = "password")]
mod password;
#[cfg(not(feature = "password"))]
mod password_feature;
mod refresh_token;
mod refreshing;
mod request;
mod response;
mod retry_after;
mod scrub;
mod seconds;
mod secret_setting;
#[cfg(test)]
mod testing;
mod token_endpoint;
mod token_exchange;
mod token_url;

pub use assertion::{Assertion, AssertionContext, AssertionSigner};
pub use assertion_login::{AssertionLogin, AssertionLoginBuilder};
pub use client::{Client, ClientBuilder};
pub use client_auth::ClientAuth;
pub use client_credentials::ClientCredentials;
pub use discovery::{Discovery, DiscoveryBuilder, Metadata};
#[cfg(feature = "serde")]
pub use from_file::ClientSettings;
pub use jwt_bearer::JwtBearer;
#[doc(hidden)]
pub use parameter::check_identifier;
#[cfg(feature = "password")]
pub use password::ResourceOwnerPassword;
pub use refresh_token::RefreshToken;
pub use request::BodyFormat;
pub use response::{ReplyRules, parse_reply};
pub use retry_after::retry_after;
pub use scrub::Scrubber;
pub use token_endpoint::TokenEndpoint;
pub use token_exchange::TokenExchange;

/// The program of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
