//! Token calls over [reqwest](https://docs.rs/reqwest) for the auth-core family.
//!
//! [`ReqwestTransport`] is an [`auth_core::Transport`]: hand it to a token source, which sends its
//! exchanges with the vendor through it. It is a client of its own, set up for the few small and
//! delicate requests that these are; the application's API calls go another way.
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
//!
//! Without it, `https` works if the application switches on another of reqwest's TLS features.
//! aws-lc-rs needs a C compiler to build, nothing else.

mod builder;
mod transport;

pub use builder::ReqwestTransportBuilder;
pub use transport::ReqwestTransport;
