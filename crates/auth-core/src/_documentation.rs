//! Guides that are longer than an item's documentation, and pages on which each claim can be checked.
//!
#![doc = include_str!("_documentation/index.md")]
//!
//! # For contributors
//!
//! The lists of tests are written by `cargo xtask standards`; the full check fails where one is
//! stale, where a test has a number that no page defines, and where a row has neither a test nor a
//! reason. A test in `tests/docs` fails where a guide is not listed here, and where an error text has
//! no row on the page Troubleshooting.

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

/// Says when a token is renewed, when it is no longer sent, and what clocks do to it.
///
#[doc = include_str!("_documentation/tokens_and_time.md")]
pub mod tokens_and_time {}

/// Says what callers see when something fails, and how often the vendor is asked.
///
#[doc = include_str!("_documentation/failures_and_back_off.md")]
pub mod failures_and_back_off {}

/// Shares a token between processes: which store, the protocol, the layout of entries, Redis.
///
#[doc = include_str!("_documentation/fleets_and_stores.md")]
pub mod fleets_and_stores {}

/// Holds a token for each tenant, user or scope.
///
#[doc = include_str!("_documentation/many_tenants.md")]
pub mod many_tenants {}

/// Reads secrets where they are kept, and replaces them without a restart.
///
#[doc = include_str!("_documentation/secrets_and_rotation.md")]
pub mod secrets_and_rotation {}

/// Says what these crates do not do, and what each decision costs.
///
#[doc = include_str!("_documentation/limits.md")]
pub mod limits {}

/// Describes the token machine: its states, its rules, and how it is explored.
///
#[doc = include_str!("_documentation/machine.md")]
pub mod machine {}
