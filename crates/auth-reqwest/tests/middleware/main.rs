//! `AuthMiddleware` keeps the guarantees of `AuthLayer`, over sockets and together with other
//! middlewares.

#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

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
