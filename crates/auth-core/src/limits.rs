//! Limits on token requests: how many at once, and how many in a window of time.

pub(crate) mod concurrency;
pub(crate) mod quota;
