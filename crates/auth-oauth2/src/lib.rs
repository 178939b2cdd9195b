//! auth-oauth2.
