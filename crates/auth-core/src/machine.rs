//! The token machine: all rules about when a token is requested, by whom, and what is remembered of
//! it, for one process and for many. Rules are pure; [`driver`](crate::authenticator::driver) obeys them.

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
pub(crate) mod serving;
mod sharing;

#[cfg(test)]
mod explore;
