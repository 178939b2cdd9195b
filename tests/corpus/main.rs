//! Any input from a server, a caller or a store: no panic, no leaked secret, no wrong result.
//!
//! Each target takes bytes and checks the result of a public parser. The targets run over the files
//! in `fuzz/corpus/<target>/`, over random inputs of proptest, and with cargo-fuzz on the stable
//! compiler, for example:
//!
//! ```text
//! mkdir /tmp/reply
//! cargo fuzz run --fuzz-dir tests/corpus/fuzz --sanitizer none reply \
//!     /tmp/reply tests/corpus/fuzz/corpus/reply -- -max_total_time=60
//! ```

#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod drawn;
mod replay;

mod targets {
    pub(crate) mod challenge;
    pub(crate) mod origin;
    pub(crate) mod reply;
    pub(crate) mod retry_after;
    pub(crate) mod store;
}
