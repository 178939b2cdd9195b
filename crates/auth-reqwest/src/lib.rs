//! Sends token requests and signed API calls with [reqwest](https://docs.rs/reqwest).
//!
//! [`ReqwestTransport`] is an [`auth_core::Transport`]: a token source sends its token requests
//! through it. It has its own client, with settings for token requests. API calls use another
//! client: [`ReqwestService`], the client at the bottom of a tower stack with `AuthLayer`, or a
//! client of the crate reqwest-middleware with `AuthMiddleware`.
//!
//! The terms of these pages are defined in the glossary of [`auth_core`](auth_core#glossary).
//!
//! All guides, in reading order: [Guides](https://docs.rs/auth-core/latest/auth_core/_documentation/).
//!
//! # Where to find what
//!
//! | you want to | see |
//! |---|---|
//! | fetch tokens | [`ReqwestTransport`] |
//! | send signed API calls through tower | [`ReqwestService`] |
//! | send signed API calls through the crate reqwest-middleware | `AuthMiddleware`, with feature `middleware` |
//! | set up a client for API calls | [`client_builder`] |
//! | follow fewer redirects, or none | [`ReqwestService::from_builder`], [`within_origin`] |
//! | follow redirects to other origins | a follower such as `tower_http`'s `FollowRedirectLayer` *above* `AuthLayer` |
//!
//! # Where to put redirect followers
//!
//! Put a redirect follower above `AuthLayer`. Each hop is then signed, or not, by its own
//! destination. A client follows redirects below `AuthLayer`, with the headers of the signed
//! request. On a redirect to another origin, reqwest removes `Authorization`, but not a vendor's
//! own headers. The clients of this crate therefore follow redirects within one origin, and return
//! every other redirect as the response. A follower between `AuthLayer` and the client needs an
//! `auth_tower::OriginGuardLayer` below it.
//!
//! A POST is not sent again if its redirect was followed and the request after the redirect was
//! refused:
//!
//! | client | a redirect to the same URL is | a refused POST or PATCH is |
//! |---|---|---|
//! | [`ReqwestService::new`], [`ReqwestService::from_builder`] | seen | sent again, unless a redirect was followed |
//! | [`client_builder`] below `AuthMiddleware`, with any redirect policy | seen | sent again, unless a redirect was followed |
//! | any other client: `reqwest::Client::new()`, [`ReqwestService::danger_from_client`] | unseen | not sent again |
//! | any other client, if the application states that it follows no redirects | | sent again |
//!
//! The last row is the setting `danger_client_follows_no_redirects` of
//! [`ReqwestService`](ReqwestService::danger_client_follows_no_redirects) and of `AuthMiddleware`.
//!
//! # Example
//!
//! ```no_run
//! use auth_core::{SharedTransport, Transport};
//! use auth_reqwest::ReqwestTransport;
//! use bytes::Bytes;
//!
//! async fn run() -> Result<(), Box<dyn std::error::Error>> {
//!     let transport = SharedTransport::new(ReqwestTransport::new()?);
//!     // A token source does this part:
//!     let request = http::Request::post("https://auth.example.com/token")
//!         .header("content-type", "application/x-www-form-urlencoded")
//!         .body(Bytes::from_static(b"grant_type=client_credentials"))?;
//!     let reply = transport.send(request, 64 * 1024).await?;
//!     println!("{}", reply.status());
//!     Ok(())
//! }
//! ```
//!
//! # Cargo features
//!
//! | feature | default | effect |
//! |---|---|---|
//! | `rustls` | yes | TLS by rustls with aws-lc-rs and the operating system's certificates |
//! | `middleware` | no | `AuthMiddleware`, for clients of the crate reqwest-middleware; [`client_builder`]'s clients tell it which request of a chain of redirects was answered |
//!
//! Without `rustls`, `https` works if the application enables another TLS feature of reqwest.
//! Without any TLS feature, a token request fails with an error that says so. In that case set no
//! proxy: reqwest without TLS sends an `https` request to the proxy in plain text. aws-lc-rs needs
//! a C compiler to build.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(all(doc, feature = "middleware"))]
pub mod _documentation;
mod body;
mod client;
mod followed;
#[cfg(feature = "middleware")]
mod middleware;
#[cfg(feature = "middleware")]
mod observe;
mod service;
mod transport;

pub use client::{client_builder, same_origin_redirects, within_origin};
#[cfg(feature = "middleware")]
pub use middleware::AuthMiddleware;
pub use service::{ReqwestFuture, ReqwestService};
pub use transport::{ReqwestTransport, ReqwestTransportBuilder};

/// The program of the README compiles.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
