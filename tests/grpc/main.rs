//! A generated gRPC client over tonic's channel with the layer.

#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod client;
mod errors;
#[path = "../../examples/support/grpc_server.rs"]
mod server;
mod streams;
mod unary;
