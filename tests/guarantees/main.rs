//! The guarantees of the token machine and its layer, within one process and for one key.
//!
//! Each test's name begins with the number of its guarantee. All tests use public interfaces, and
//! judge by the counters of the other side: the test server or the scripted source. Time is tokio's
//! paused clock, so no test waits in real time.

#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod backoff;
mod bodies;
mod clock;
mod collector;
mod deadlines;
mod doubt;
mod fleet;
mod flight;
mod fresh;
mod idle;
mod late;
mod observed;
mod oddities;
mod places;
mod quota;
mod refresh_tokens;
mod refusal;
mod rejected_logins;
mod reload;
mod runtimes;
mod storm;
mod support;
mod terminal;
mod traffic;
mod trouble;
mod warm;
