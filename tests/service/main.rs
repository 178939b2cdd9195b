//! A service that calls out on behalf of its users: `examples/axum_service`, held to what it says.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod ending;
#[path = "../../examples/axum_service/failure.rs"]
mod failure;
mod failures;
#[path = "../../examples/axum_service/inbound.rs"]
mod inbound;
mod mix_up;
#[path = "../../examples/axum_service/outbound.rs"]
mod outbound;
mod readiness;
#[path = "../../examples/axum_service/service.rs"]
mod service;
mod support;
mod users;
#[path = "../../examples/axum_service/vendor.rs"]
mod vendor;
