//! G12 and G14 with redirects: no byte of a credential reaches another origin, and no order is sent
//! twice, for every kind of credential header, every redirect follower, and every position of the
//! follower in the stack.

#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod controls;
mod kinds;
mod memory;
mod orders;
mod sockets;
mod stacks;

/// Every status of a redirect that is followed.
const STATUSES: [u16; 5] = [301, 302, 303, 307, 308];
