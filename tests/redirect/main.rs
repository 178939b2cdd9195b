//! G12 under redirects: no byte of a credential reaches another origin, whichever header it is in,
//! whatever follows the redirect, and wherever in the stack that stands.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod controls;
mod kinds;
mod memory;
mod sockets;
mod stacks;

/// Every status with which a redirect is followed.
const STATUSES: [u16; 5] = [301, 302, 303, 307, 308];
