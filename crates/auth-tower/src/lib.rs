//! A tower layer that signs outgoing HTTP requests, and renews a token that the API refuses.
//!
//! [`AuthLayer`] signs each request with the cached token. When the API refuses that token, it is
//! replaced, once for all callers, and the request is sent once more. A request to another origin
//! is not signed, also if only its `Host` header names another origin.
//!
//! The terms of these pages are defined in the glossary of [`auth_core`](auth_core#glossary).
//!
//! All guides, in reading order: [Guides](https://docs.rs/auth-core/latest/auth_core/_documentation/).
//!
//! # Example
//!
//! ```no_run
//! use auth_core::{Authenticator, Origins, Secret};
//! use auth_tower::{AuthLayer, AuthOutcome, ServiceTransport};
//! use bytes::Bytes;
//! use http::Request;
//! use http_body_util::Full;
//! use hyper_util::{client::legacy::Client, rt::TokioExecutor};
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! # let connector = hyper_util::client::legacy::connect::HttpConnector::new();
//! let http = Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(connector);
//! let transport = ServiceTransport::new(http.clone());
//! let oauth = auth_oauth2::Client::builder("https://login.example.com/token", "my-client", transport)
//!     .secret(Secret::new("fake-secret"))
//!     .build()?;
//! let origins = Origins::new(["https://api.example.com"])?;
//! let authenticator = Authenticator::builder(oauth.client_credentials(), origins).build()?;
//! let client = ServiceBuilder::new().layer(AuthLayer::new(authenticator)).service(http);
//!
//! let request = Request::get("https://api.example.com/v1/things").body(Full::default())?;
//! let response = client.oneshot(request).await?;
//! println!("{} after {} sends", response.status(), AuthOutcome::of(&response).sends());
//! # Ok(())
//! # }
//! ```
//!
//! # What a response means
//!
//! | response | what happens |
//! |---|---|
//! | 401 with a `Bearer` challenge `invalid_token`, or without any usable challenge | the token is replaced, the request sent once more |
//! | 401 or 403 `insufficient_scope` | returned; [`AuthOutcome::insufficient_scope`] says which scopes are wanted |
//! | 401 `invalid_request`; other 403, 407, 429, 5xx | returned untouched |
//! | 401 `insufficient_user_authentication` (RFC 9470) | returned, with [`StepUp`] in its extensions |
//! | gRPC status 16 in the head, on request ([`AuthLayer::grpc`]) | as a refused token |
//! | a rule of the vendor's ([`AuthLayer::refused_when`], [`TokenRefused`](auth_core::TokenRefused)) | as a refused token |
//! | a refusal at the end of a redirect that a layer below followed ([`AnsweredRequest`]) | the token is replaced; the request is sent once more only if its method is safe |
//! | any response of another origin, at the end of a redirect | returned untouched |
//!
//! The second answer is the caller's, whatever it is. [`AuthOutcome`] on a response tells what
//! happened on the way.
//!
//! # What is logged
//!
//! Lines of the target `auth::request`, by `tracing`, each with the fields `vendor`, `label`, `host`
//! (never a path or a query) and `cause`. The same is told to the
//! [`Observer`](auth_core::Observer). The first line for each authenticator, cause and host is a WARN,
//! for at most 64 of them, the others are DEBUG.
//!
//! | line | cause |
//! |---|---|
//! | request sent unsigned | [`Unsigned`]; at DEBUG only if the caller brought credentials |
//! | token refused, and the request not sent again | [`NotReplayed`]; at DEBUG only if replay is off. The host is exact if the request was kept for a second send; otherwise the line lists the authenticator's origins |
//! | token refused, the request is sent again | DEBUG only |
//! | credential removed | [`OriginGuardLayer`]: the request goes to another origin |
//!
//! # What is where
//!
//! | you want to | see |
//! |---|---|
//! | sign requests | [`AuthLayer`] |
//! | follow redirects | a follower *outside* [`AuthLayer`], where each hop is signed, or not, by its own destination |
//! | keep a follower inside | [`OriginGuardLayer`] below it: followers take a vendor's own headers along |
//! | send requests again whose body is a stream | [`ReplayBodyLayer`] |
//! | send requests again whose body is of your own type | [`AuthLayer::replay_with`] |
//! | start no long upload with a token that is about to expire | [`MinLifetimeLayer`] |
//! | see what happened to a request | [`AuthOutcome`] |
//! | follow redirects in a client of your own | [`AnsweredRequest`] |
//! | send token calls through a tower client | [`ServiceTransport`] |
//! | know what a request costs | the page [What it costs](_documentation::costs) |
//!
//! # Cargo features
//!
//! | feature | default | effect |
//! |---|---|---|
//! | `hyper-util` | no | [`ServiceTransport`] recognizes errors of hyper-util's client that mean that nothing was sent |
//! | `follow-redirect` | no | [`AuthLayer`] reads the mark of tower-http's redirect follower, see [`AnsweredRequest`] |
//!
//! Supported Rust: see `rust-version` in the manifest.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(doc)]
pub mod _documentation;
mod answered;
mod body;
mod bounds;
mod call;
mod challenge;
mod error;
mod future;
mod guard;
mod head;
mod keyed;
mod layer;
mod min_lifetime;
mod missing;
mod notice;
mod outcome;
mod pending;
mod replay;
mod service;
mod settings;
mod shared;
mod transport;
mod verdict;

pub use answered::AnsweredRequest;
pub use body::{ReplayBody, ReplayBodyLayer, ReplayBodyService};
pub use challenge::{InsufficientScope, StepUp};
pub use error::Error;
pub use future::ResponseFuture;
pub use guard::{OriginGuard, OriginGuardFuture, OriginGuardLayer};
pub use keyed::KeyedAuth;
pub use layer::AuthLayer;
pub use min_lifetime::{MinLifetime, MinLifetimeFuture, MinLifetimeLayer};
pub use outcome::{AuthOutcome, NotReplayed, Unsigned};
pub use replay::{Replay, ReplayCheap, ReplayOff, ReplayWith};
pub use service::Auth;
pub use settings::{ExistingCredential, MissingToken};
pub use transport::ServiceTransport;
pub use verdict::ResponseHead;

/// The program of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
