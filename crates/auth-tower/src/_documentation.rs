//! Guides that are longer than the documentation of one item.

/// The cost of a signed request, compared with other stacks.
///
#[doc = include_str!("_documentation/costs.md")]
pub mod costs {}
