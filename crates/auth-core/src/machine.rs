//! The token machine: all rules that decide when a token is requested, by which process, and what
//! is remembered, for one process and for several. The rules are pure functions;
//! [`driver`](crate::authenticator::driver) executes their orders.

pub(crate) mod account;
pub(crate) mod backoff;
mod codec;
mod context;
mod first_seen;
pub(crate) mod flight;
pub(crate) mod key_state;
pub(crate) mod memory;
pub(crate) mod orders;
pub(crate) mod prints;
pub(crate) mod record;
pub(crate) mod scopes;
mod seldom;
pub(crate) mod serving;
mod sharing;

#[cfg(test)]
mod explore;
