//! A generated gRPC client over tonic's channel with the layer on it.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod client;
mod errors;
#[path = "../../examples/support/grpc_server.rs"]
mod server;
mod streams;
mod unary;
