use std::{borrow::Cow, env};

use zeroize::Zeroizing;

use super::BOM;
use crate::{Error, Secret, SecretSource};

/// A [`SecretSource`] that reads an environment variable for each token request.
///
/// A byte order mark at the beginning of the value is removed.
///
/// # Example
///
/// ```
/// use auth_core::{ErrorKind, SecretEnv, SecretSource};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let source = SecretEnv::new("EXAMPLE_CLIENT_SECRET");
/// let error = source.read().await.unwrap_err();
/// assert_eq!(error.kind(), ErrorKind::Config);
/// assert_eq!(error.field(), Some("EXAMPLE_CLIENT_SECRET"));
/// # }
/// ```
///
/// # Errors
///
/// - [`Config`](crate::ErrorKind::Config) on a field with the variable's name if the variable is
///   not set, empty or not Unicode.
/// - [`Config`](crate::ErrorKind::Config) on field `secret_env` if the name is empty or contains
///   `=`. The text does not show the name, which may be the secret itself. The `build` of a grant
///   or a vendor returns this error, so that it is found when the program starts.
#[derive(Clone, Debug)]
pub struct SecretEnv {
    name: Cow<'static, str>,
}

impl SecretEnv {
    /// Makes a source that reads the variable of this name.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into() }
    }

    fn value(&self) -> Result<Secret, Error> {
        let bad = |problem| Error::config(self.name.clone(), problem);
        // `std::env` panics on such names.
        if self.name.is_empty() || self.name.contains(['=', '\0']) {
            let problem = "must be the name of an environment variable, which is not empty and \
                           contains no `=`; give the name, not the secret";
            return Err(Error::config("secret_env", problem));
        }
        let value = env::var_os(&*self.name).ok_or_else(|| {
            bad("the environment variable is not set; set it before the program starts")
        })?;
        let value = value.into_string().map_err(|_| {
            bad("the environment variable is not Unicode; write the secret as UTF-8 text")
        })?;
        let secret = without_bom(value);
        if secret.is_empty() {
            Err(bad(
                "the environment variable is empty; set it to the secret",
            ))
        } else {
            Ok(secret)
        }
    }
}

fn without_bom(value: String) -> Secret {
    if !value.starts_with(BOM) {
        return Secret::new(value);
    }
    let value = Zeroizing::new(value);
    Secret::new(value.strip_prefix(BOM).unwrap_or_default())
}

impl SecretSource for SecretEnv {
    async fn read(&self) -> Result<Secret, Error> {
        self.value()
    }

    fn check(&self) -> Result<(), Error> {
        self.value().map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_is_set() {
        let path = SecretEnv::new("PATH").value().unwrap();
        assert_eq!(path.expose(), env::var("PATH").unwrap());
    }

    #[test]
    fn error_names_the_variable() {
        let error = SecretEnv::new("AUTH_CORE_TEST_NOT_SET")
            .check()
            .unwrap_err();
        assert_eq!(error.field(), Some("AUTH_CORE_TEST_NOT_SET"));
        assert!(SecretEnv::new("PATH").check().is_ok());
    }

    #[test]
    fn g18_a_secret_in_place_of_the_name_is_not_shown() {
        for name in ["", "A=fake-secret", "fake-secret==", "fake-secret\0"] {
            let error = SecretEnv::new(name).check().unwrap_err();
            assert_eq!(error.field(), Some("secret_env"));
            assert!(!format!("{error} {error:?}").contains("fake-secret"));
        }
    }

    #[test]
    fn a_byte_order_mark_is_not_part_of_the_secret() {
        for (value, secret) in [
            ("\u{feff}fake-secret", "fake-secret"),
            ("fake-secret\u{feff}", "fake-secret\u{feff}"),
            ("\u{feff}", ""),
        ] {
            assert_eq!(without_bom(value.to_owned()), Secret::new(secret));
        }
    }
}
