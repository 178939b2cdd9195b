//! auth-tower.
