//! Marks that layers below `AuthLayer` leave on a response or its error.

pub(crate) mod redirected;
pub(crate) mod refused;
