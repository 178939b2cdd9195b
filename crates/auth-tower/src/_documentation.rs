//! Guides that are longer than an item's documentation.

/// Shows what a signed request costs, beside other stacks.
///
#[doc = include_str!("_documentation/costs.md")]
pub mod costs {}
