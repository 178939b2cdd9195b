//! A service that calls out on behalf of its users: `examples/axum_service`, held to what it says.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test fails by it, and says that it did not run"
)]

mod browser;
mod ending;
#[path = "../../examples/axum_service/failure.rs"]
mod failure;
mod failures;
#[path = "../../examples/axum_service/inbound.rs"]
mod inbound;
#[path = "../../examples/axum_service/journal.rs"]
mod journal;
mod mix_up;
#[path = "../../examples/axum_service/outbound.rs"]
mod outbound;
#[path = "../../examples/axum_service/page.rs"]
mod page;
mod readiness;
#[path = "../../examples/axum_service/service.rs"]
mod service;
mod status;
mod support;
mod users;
#[path = "../../examples/axum_service/vendor.rs"]
mod vendor;
