//! Guides that are longer than an item's documentation, and pages on which each claim can be checked.
//!
//! The lists of tests are written by `cargo xtask standards`; the full check fails where one is
//! stale, where a test has a number that no page defines, and where a row has neither a test nor a
//! reason.

/// What holds for callers, with the tests that prove it.
///
#[doc = include_str!("_documentation/guarantees.md")]
pub mod guarantees {}

/// Which demands of the standards are met, with the tests that prove it.
///
#[doc = include_str!("_documentation/standards.md")]
pub mod standards {}

/// What goes wrong elsewhere and what holds here, with the tests that prove it.
///
#[doc = include_str!("_documentation/threats.md")]
pub mod threats {}

/// Lists all events, with their level in the log, their fields, and what to do.
///
#[doc = include_str!("_documentation/observability.md")]
pub mod observability {}

/// Leads from each error text and each line of the log to its cause and its cure.
///
#[doc = include_str!("_documentation/troubleshooting.md")]
pub mod troubleshooting {}
