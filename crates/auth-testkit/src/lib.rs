//! auth-testkit.
