//! The guarantees of the token machine and its layer, within one process and for one key.
//!
//! Each test's name begins with the number of the promise that it holds the crates to. All of them
//! use public interfaces, and what counts is what the other side saw: the counters of the test
//! server or of the scripted source. Time is tokio's paused clock, so nothing here waits.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

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
