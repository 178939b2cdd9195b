//! Guides that are longer than an item's documentation.
//!
//! Their doctests include programs that run as tests of the workspace, so that a block needs to
//! show only its own part. An included program must not begin with `//!`.

/// Builds a crate for a new vendor, with its fake and its contract test.
///
#[doc = include_str!("_documentation/add_a_vendor.md")]
pub mod add_a_vendor {}

/// Recipes for the authorization servers that people use: Auth0, Entra ID, Okta, Keycloak and more.
///
#[doc = include_str!("_documentation/recipes.md")]
pub mod recipes {}

/// Moves a program here: from a hand-written cache, from other crates, from Go and from .NET.
///
#[doc = include_str!("_documentation/migration.md")]
pub mod migration {}
