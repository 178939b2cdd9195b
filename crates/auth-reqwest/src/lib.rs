//! Token calls and API calls over [reqwest](https://docs.rs/reqwest) for the auth-core family.
//!
//! [`ReqwestTransport`] is an [`auth_core::Transport`]: hand it to a token source, which sends its
//! exchanges with the vendor through it. It is a client of its own, set up for the few small and
//! delicate requests that these are. The application's API calls go another way: through
//! [`ReqwestService`], the client at the bottom of a tower stack with `AuthLayer`, or through a client
//! of the crate reqwest-middleware with `AuthMiddleware`.
//!
//! # What is where
//!
//! | you want to | see |
//! |---|---|
//! | fetch tokens | [`ReqwestTransport`] |
//! | send signed API calls through tower | [`ReqwestService`] |
//! | send them through the crate reqwest-middleware | `AuthMiddleware`, with feature `middleware` |
//! | set up a client that keeps headers at home | [`client_builder`] |
//! | the same for a builder of your own | [`ReqwestService::from_builder`], [`same_origin_redirects`] |
//! | follow redirects to other origins | a follower such as `tower_http`'s `FollowRedirectLayer` *above* `AuthLayer` |
//!
//! # Where redirect followers belong
//!
//! Above `AuthLayer`, where each hop is signed, or not, by its own destination. A client follows
//! below it, with the headers that it was given; reqwest drops `Authorization` on the way to another
//! origin, but not a vendor's own headers. So the clients of this crate follow within one origin and
//! return every other redirect. A follower between `AuthLayer` and the client needs
//! `auth_tower::OriginGuardLayer` below it.
//!
//! # Example
//!
//! ```no_run
//! use auth_core::{SharedTransport, Transport};
//! use auth_reqwest::ReqwestTransport;
//! use bytes::Bytes;
//!
//! # async fn run() -> Result<(), Box<dyn std::error::Error>> {
//! let transport = SharedTransport::new(ReqwestTransport::new()?);
//! // A token source does this part:
//! let request = http::Request::post("https://auth.example.com/token")
//!     .header("content-type", "application/x-www-form-urlencoded")
//!     .body(Bytes::from_static(b"grant_type=client_credentials"))?;
//! let reply = transport.send(request, 64 * 1024).await?;
//! println!("{}", reply.status());
//! # Ok(())
//! # }
//! ```
//!
//! # Features
//!
//! | feature | default | effect |
//! |---|---|---|
//! | `rustls` | yes | TLS by rustls with aws-lc-rs and the operating system's certificates |
//! | `middleware` | no | `AuthMiddleware`, for clients of the crate reqwest-middleware |
//!
//! Without `rustls`, `https` works if the application switches on another of reqwest's TLS features.
//! aws-lc-rs needs a C compiler to build, nothing else.

mod body;
mod builder;
mod client;
#[cfg(feature = "middleware")]
mod middleware;
mod service;
mod transport;

pub use builder::ReqwestTransportBuilder;
pub use client::{client_builder, same_origin_redirects};
#[cfg(feature = "middleware")]
pub use middleware::AuthMiddleware;
pub use service::{ReqwestFuture, ReqwestService};
pub use transport::ReqwestTransport;
