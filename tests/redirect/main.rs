//! G12 and G14 under redirects: no byte of a credential reaches another origin, and no order is
//! sent twice, for every header of the credential, every follower of redirects, and every place of
//! the follower in the stack.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod controls;
mod kinds;
mod memory;
mod orders;
mod sockets;
mod stacks;

/// Every status with which a redirect is followed.
const STATUSES: [u16; 5] = [301, 302, 303, 307, 308];
