//! Guides that are longer than the documentation of one item.
//!
//! The examples of the guides include programs that are also compiled as tests of the workspace. A
//! code block then shows only the part that matters. An included program must not begin with `//!`.

/// How to build a crate for a new vendor, with its fake server and its contract test.
///
#[doc = include_str!("_documentation/add_a_vendor.md")]
pub mod add_a_vendor {}

/// Recipes for common authorization servers: Auth0, Entra ID, Okta, Keycloak and others.
///
#[doc = include_str!("_documentation/recipes.md")]
pub mod recipes {}

/// Moves a program here: from a hand-written cache, from other crates, from Go and from .NET.
///
#[doc = include_str!("_documentation/migration.md")]
pub mod migration {}
