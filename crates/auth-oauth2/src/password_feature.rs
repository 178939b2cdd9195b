//! The compile error of a program that calls `Client::password` without the feature `password`.

use std::convert::Infallible;

use auth_core::{Error, SecretSource};

use crate::Client;

impl Client {
    /// Needs the feature `password`.
    #[doc(hidden)]
    pub fn password<U: PasswordFeature>(
        &self,
        username: U,
        _: impl SecretSource,
    ) -> Result<Infallible, Error> {
        username.never()
    }
}

/// No type implements it.
#[diagnostic::on_unimplemented(
    message = "the method `Client::password` needs the feature `password` of `auth-oauth2`",
    label = "the feature `password` is not enabled",
    note = "in Cargo.toml: auth-oauth2 = {{ version = \"..\", features = [\"password\"] }}"
)]
#[allow(unnameable_types, reason = "no type implements it")]
pub trait PasswordFeature {
    #[doc(hidden)]
    fn never(self) -> Result<Infallible, Error>;
}
