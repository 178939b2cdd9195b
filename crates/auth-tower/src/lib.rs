//! A tower layer that signs outgoing HTTP requests, and renews a token that the API refuses.
//!
//! [`AuthLayer`] signs each request with the cached token. If the API refuses that token, the token
//! is replaced, once for all callers, and the request is sent once more. A request to another
//! origin is not signed, also if only its `Host` header names another origin.
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
//! use hyper_util::{
//!     client::legacy::{Client, connect::HttpConnector},
//!     rt::TokioExecutor,
//! };
//! use tower::{ServiceBuilder, ServiceExt};
//!
//! async fn run() -> Result<(), Box<dyn std::error::Error>> {
//!     // For https URLs: an HTTPS connector, for example of hyper-rustls.
//!     let connector = HttpConnector::new();
//!     let http = Client::builder(TokioExecutor::new()).build::<_, Full<Bytes>>(connector);
//!     let transport = ServiceTransport::new(http.clone());
//!     let oauth = auth_oauth2::Client::builder("https://login.example.com/token", "my-client", transport)
//!         .secret(Secret::new("fake-secret"))
//!         .build()?;
//!     let origins = Origins::new(["https://api.example.com"])?;
//!     let authenticator = Authenticator::builder(oauth.client_credentials(), origins).build()?;
//!     let client = ServiceBuilder::new().layer(AuthLayer::new(authenticator)).service(http);
//!
//!     let request = Request::get("https://api.example.com/v1/things").body(Full::default())?;
//!     let response = client.oneshot(request).await?;
//!     println!("{} after {} sends", response.status(), AuthOutcome::of(&response).sends());
//!     Ok(())
//! }
//! ```
//!
//! # What a response means
//!
//! | response | what happens |
//! |---|---|
//! | 401 with a `Bearer` challenge `invalid_token`, or without any known challenge | the token is replaced and the request is sent once more |
//! | 401 or 403 `insufficient_scope` | returned; [`AuthOutcome::insufficient_scope`] names the required scopes. With [`WiderScope`](auth_core::WiderScope), a token with both scopes is requested once and the request is sent once more |
//! | 401 `invalid_request`; other 403, 407, 429, 5xx | returned unchanged |
//! | 401 `insufficient_user_authentication` (RFC 9470) | returned, with [`StepUp`] in its extensions |
//! | gRPC status 16 in the head, if [`AuthLayer::grpc`] is set | treated as a refused token |
//! | a response that a rule of the application or the vendor's crate matches ([`AuthLayer::refused_when`], [`TokenRefused`](auth_core::TokenRefused)) | treated as a refused token |
//! | a refusal at the end of a redirect that a layer below followed ([`AnsweredRequest`]) | the token is replaced; the request is sent once more only if its method is safe |
//! | any response of another origin, at the end of a redirect | returned unchanged |
//!
//! The second response is returned to the caller, with any status. [`AuthOutcome`] on a response
//! says what happened to the request.
//!
//! # What is logged
//!
//! Log lines use `tracing`, the target `auth::request`, and the fields `vendor`, `label`, `host`
//! (never a path or a query) and `cause`. The [`Observer`](auth_core::Observer) receives the same
//! facts. The first line per authenticator, cause and host has the level WARN, for at most 64 of
//! them; the others have the level DEBUG.
//!
//! | line | cause |
//! |---|---|
//! | request sent unsigned | [`Unsigned`]; always DEBUG if the caller set credentials |
//! | token refused, and the request not sent again | [`NotReplayed`]; always DEBUG if replay is off. The host is exact if the request was kept for a second send; otherwise the line lists the authenticator's origins |
//! | token refused, the request is sent again | always DEBUG |
//! | credential removed | [`OriginGuardLayer`]: the request goes to another origin |
//!
//! # Where to find what
//!
//! | you want to | see |
//! |---|---|
//! | sign requests | [`AuthLayer`] |
//! | follow redirects | a follower *above* [`AuthLayer`], where each hop is signed, or not, by its own destination |
//! | keep a follower below | [`OriginGuardLayer`] below it, because followers keep a vendor's own headers |
//! | send requests again whose body is a stream | [`ReplayBodyLayer`] |
//! | send requests again whose body has your own type | [`AuthLayer::replay_with`] |
//! | avoid long uploads with a token that is about to expire | [`MinLifetimeLayer`] |
//! | see what happened to a request | [`AuthOutcome`] |
//! | follow redirects in your own client | [`AnsweredRequest`] |
//! | send token requests through a tower client | [`ServiceTransport`] |
//! | know what a request costs | the page [Costs](_documentation::costs) |
//!
//! # Cargo features
//!
//! | feature | default | effect |
//! |---|---|---|
//! | `hyper-util` | no | [`ServiceTransport`] recognizes errors of hyper-util's client after which nothing was sent |
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
mod causes;
mod challenge;
mod error;
mod future;
mod guard;
mod head;
mod in_place;
mod keyed;
mod layer;
mod marks;
mod min_lifetime;
mod missing;
mod notice;
mod outcome;
mod pending;
mod replay;
mod request_in_place;
mod service;
mod settings;
mod shared;
mod transport;
mod verdict;

pub use answered::AnsweredRequest;
pub use body::{ReplayBody, ReplayBodyLayer, ReplayBodyService};
pub use causes::{NotReplayed, Unsigned};
pub use challenge::{InsufficientScope, StepUp};
pub use error::Error;
pub use future::ResponseFuture;
pub use guard::{OriginGuard, OriginGuardFuture, OriginGuardLayer};
#[doc(hidden)]
pub use in_place::SignedInPlace;
pub use keyed::KeyedAuth;
pub use layer::AuthLayer;
pub use min_lifetime::{MinLifetime, MinLifetimeFuture, MinLifetimeLayer};
pub use outcome::AuthOutcome;
pub use replay::{Replay, ReplayCheap, ReplayOff, ReplayWith};
#[doc(hidden)]
pub use request_in_place::{HeadInPlace, RequestInPlace};
pub use service::Auth;
pub use settings::{ExistingCredential, MissingToken};
pub use transport::ServiceTransport;
pub use verdict::ResponseHead;

/// The program of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
