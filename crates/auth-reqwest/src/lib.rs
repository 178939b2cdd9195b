//! auth-reqwest.
