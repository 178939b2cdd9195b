//! Guides that are longer than an item's documentation.

/// Builds a crate for a new vendor, with its fake and its contract test.
///
#[doc = include_str!("_documentation/add_a_vendor.md")]
pub mod add_a_vendor {}
