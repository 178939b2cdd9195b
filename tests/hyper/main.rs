//! hyper-util's client with the layer, for API requests and token requests: HTTP/1 and HTTP/2,
//! plain and with TLS, and peers with rare behaviour.

#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod client;
mod front;
mod hpack;
mod informational;
mod peer;
mod sends;
mod tls;
mod trouble;
