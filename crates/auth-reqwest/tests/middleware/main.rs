//! `AuthMiddleware` keeps what `AuthLayer` promises, over sockets and in the company of other
//! middlewares.

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod cancel;
mod chain;
mod keys;
mod logs;
mod origins;
mod redirects;
mod refusals;
mod retries;
mod signing;
mod support;
