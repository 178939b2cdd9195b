//! Guides that are longer than the documentation of one item.

/// The cost of a signed request, compared with other stacks.
///
#[doc = include_str!("_documentation/costs.md")]
pub mod costs {}

/// Signs the first request: with hyper-util, with tonic, and in a service with axum.
///
#[doc = include_str!("_documentation/getting_started.md")]
pub mod getting_started {}

/// Puts retries, time-outs, tracing and redirects around the layer, in the order that works.
///
#[doc = include_str!("_documentation/stack_cookbook.md")]
pub mod stack_cookbook {}
