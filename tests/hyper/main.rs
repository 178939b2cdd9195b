//! hyper-util's client with the layer on it, for the API and for the token calls: HTTP/1 and
//! HTTP/2, in the clear and over TLS, and peers that do what servers rarely do.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod client;
mod front;
mod hpack;
mod informational;
mod peer;
mod sends;
mod tls;
mod trouble;
