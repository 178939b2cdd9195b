//! The vendors of this workspace, each as a server that behaves as its documents say: its paths,
//! its reply shapes, its errors, and refusing what the real one would refuse.
//!
//! Each function gives a [`TestServerBuilder`]: change what a test needs (lifetime, client, clock,
//! quota), then start it or make it [`in_memory`](TestServerBuilder::in_memory). A vendor that is
//! not here is described by [`VendorRules`](crate::VendorRules) in about forty lines.
//!
//! # Example
//!
//! ```
//! use auth_testkit::fakes;
//!
//! let server = fakes::kayzen().in_memory();
//! assert_eq!(server.token_url(), "https://kayzen.test/v1/authentication/token");
//! assert_eq!(server.user_name(), "api+reporting@kayzen.io");
//! ```

mod axonize;
mod kaizen;
mod kayzen;
mod verdigris;

pub use axonize::{
    AXONIZE_APP_URL, BindingCodes, axonize, axonize_api_keys, axonize_mfa, binding_codes,
};
pub use kaizen::{kaizen_central, kaizen_east, kaizen_legacy};
pub use kayzen::kayzen;
pub use verdigris::verdigris;

#[cfg(doc)]
use crate::TestServerBuilder;

#[cfg(test)]
mod tests;
