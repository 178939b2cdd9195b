//! Any input of a server, a caller or a store: no panic, no leaked secret, no wrong result.
//!
//! Each target takes bytes and judges what a public parser makes of them. The targets are run over
//! the files in `fuzz/corpus/<target>/`, over inputs that proptest draws, and by cargo-fuzz on the
//! stable compiler, for example:
//!
//! ```text
//! mkdir /tmp/reply
//! cargo fuzz run --fuzz-dir tests/corpus/fuzz --sanitizer none reply \
//!     /tmp/reply tests/corpus/fuzz/corpus/reply -- -max_total_time=60
//! ```

#![allow(clippy::unwrap_used, reason = "a test fails by it")]

mod drawn;
mod replay;

mod targets {
    pub(crate) mod challenge;
    pub(crate) mod origin;
    pub(crate) mod reply;
    pub(crate) mod retry_after;
    pub(crate) mod store;
}
