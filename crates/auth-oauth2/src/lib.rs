//! OAuth 2.0 grants as token sources: the request, the client's authentication, the reply.
//!
//! Fetching a token is one small POST, and most of it is edge cases: secrets with a `%` in them,
//! lifetimes that are strings, negative or larger than any integer, HTML with status 200, redirects
//! that would carry the client secret elsewhere, error texts that echo it into a log. This crate is
//! one token request done right. It neither caches nor retries: that is what
//! [`Authenticator`](auth_core::Authenticator) is for. It knows no HTTP client: a
//! [`Transport`](auth_core::Transport) is handed in.
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
//! # What is where
//!
//! | you want to | see |
//! |---|---|
//! | set up a client: token endpoint, secret, scope | [`Client`] |
//! | name the issuer only, and have the token endpoint looked up (RFC 8414, OpenID) | [`Client::discover`], [`Discovery`] |
//! | a program's token for itself (RFC 6749 section 4.4) | [`Client::client_credentials`] |
//! | a token for a user name and a password, where nothing else is offered (section 4.3) | `Client::password`, with the feature `password` |
//! | a token that acts for a user, for that user's own (RFC 8693) | [`Client::token_exchange`] |
//! | a token for the refresh token that a person's login brought (section 6) | [`Client::refresh_token`] |
//! | a token for an assertion: Google service accounts, Salesforce, SAP (RFC 7523 section 2.1) | [`Client::jwt_bearer`] |
//! | prove who the client is without a shared secret: a Kubernetes or SPIFFE token, a signing key (RFC 7523 section 2.2) | [`ClientBuilder::client_assertion`] |
//! | a token for an assertion where there is no OAuth: a GitHub App | [`AssertionLogin`] |
//! | a login of a vendor's own invention | [`TokenEndpoint`] |
//! | the lines for Auth0, Entra ID, Okta, Keycloak, Cognito, Google, GitHub or Salesforce | the guide [Recipes](_documentation::recipes) |
//! | a crate for another vendor, with its fake and its tests | the guide [Add a vendor](_documentation::add_a_vendor) |
//! | prove who the client is: Basic, raw Basic, in the body, not at all | [`ClientAuth`] |
//! | send JSON in place of a form | [`BodyFormat`] |
//! | read a reply that is not quite the standard's | [`ReplyRules`], [`parse_reply`] |
//! | keep secrets out of a vendor's texts | [`Scrubber`] |
//! | read `Retry-After` | [`retry_after`] |
//!
//! # What it promises
//!
//! - A setting that cannot work is an error that names the setting, before anything is sent.
//! - Credentials travel in the body or in one `Authorization` header, never in a URL; over `https`,
//!   or to a loopback address on request. They are read before each token request, and wiped after
//!   it.
//! - A redirect ends the token request; what a reply may cost is bounded.
//! - No reply makes it panic, wrap a number or loop. A reply without a lifetime gives a token
//!   without one, never an endless one.
//! - No byte of a reply's body gets into an error, but for the vendor's code and description: cut,
//!   free of control characters, and free of every secret that was sent, in any usual encoding.
//!
//! # Cargo features
//!
//! | feature | default | effect |
//! |---|---|---|
//! | `password` | no | the password grant, which RFC 9700 section 2.4 forbids to whoever has a choice |
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
