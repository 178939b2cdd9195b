//! Limits on token requests: how many at once, how many in a window of time, and for which scopes.

pub(crate) mod concurrency;
pub(crate) mod quota;
pub(crate) mod wider_scope;
