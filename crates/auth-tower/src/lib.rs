//! A tower layer that puts authentication on outgoing HTTP requests and makes people forget about
//! tokens.
//!
//! [`AuthLayer`] signs each request with the token at hand. When the API refuses that token, it is
//! replaced, once for everybody, and the request is sent once more. Requests to other origins never
//! see a token, whatever the order of layers.
//!
//! # Example
//!
//! ```no_run
//! use auth_core::{Authenticator, Origins, Secret};
//! use auth_oauth2::ClientCredentials;
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
//! let source = ClientCredentials::builder(
//!     "https://login.example.com/oauth/token",
//!     "client id",
//!     Secret::new("fake-secret"),
//!     ServiceTransport::new(http.clone()),
//! )
//! .build()?;
//! let authenticator = Authenticator::builder(source)
//!     .origins(Origins::new(["https://api.example.com"])?)
//!     .build()?;
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
//! | 401 `insufficient_scope`, `invalid_request`; 403, 407, 429, 5xx | returned untouched |
//! | 401 `insufficient_user_authentication` (RFC 9470) | returned, with [`StepUp`] in its extensions |
//! | gRPC status 16 in the head, on request ([`AuthLayer::grpc`]) | as a refused token |
//! | a rule of the vendor's ([`AuthLayer::refused_when`], [`TokenRefused`](auth_core::TokenRefused)) | as a refused token |
//!
//! The second answer is the caller's, whatever it is. [`AuthOutcome`] on a response tells what
//! happened on the way.
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
//! | start no long upload with a token that is about to end | [`MinLifetimeLayer`] |
//! | see what happened to a request | [`AuthOutcome`] |
//! | send token calls through a tower client | [`ServiceTransport`] |
//!
//! # Cargo features
//!
//! | feature | default | effect |
//! |---|---|---|
//! | `hyper-util` | yes | [`ServiceTransport`] recognizes errors of hyper-util's client that mean that nothing was sent |
//! | `follow-redirect` | no | [`AuthLayer`] reads the mark of tower-http's redirect follower, see [`AnsweredRequest`] |
//!
//! Supported Rust: see `rust-version` in the manifest.

mod answered;
mod body;
mod call;
mod challenge;
mod error;
mod future;
mod guard;
mod head;
mod keyed;
mod layer;
mod min_lifetime;
mod notice;
mod outcome;
mod pending;
mod replay;
mod service;
mod transport;
mod verdict;

pub use answered::AnsweredRequest;
pub use body::{ReplayBody, ReplayBodyLayer, ReplayBodyService};
pub use challenge::StepUp;
pub use error::Error;
pub use future::ResponseFuture;
pub use guard::{OriginGuard, OriginGuardFuture, OriginGuardLayer};
pub use keyed::KeyedAuth;
pub use layer::{AuthLayer, Existing, WithoutToken};
pub use min_lifetime::{MinLifetime, MinLifetimeFuture, MinLifetimeLayer};
pub use outcome::{AuthOutcome, NotReplayed, Unsigned};
pub use replay::{Replay, ReplayCheap, ReplayOff, ReplayWith};
pub use service::Auth;
pub use transport::ServiceTransport;
pub use verdict::ResponseHead;
