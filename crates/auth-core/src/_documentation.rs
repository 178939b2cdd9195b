//! Guides that are longer than an item's documentation.

/// Lists all events, with their level in the log, their fields, and what to do.
///
#[doc = include_str!("_documentation/observability.md")]
pub mod observability {}
