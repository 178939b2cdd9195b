//! auth-verdigris.
