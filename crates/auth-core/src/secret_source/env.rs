use std::{borrow::Cow, env};

use crate::{Error, Secret, SecretSource};

/// A [`SecretSource`] that reads an environment variable, anew for each exchange.
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
/// [`Config`](crate::ErrorKind::Config) on a field of the variable's name if it is not set, empty
/// or not Unicode.
#[derive(Clone, Debug)]
pub struct SecretEnv {
    name: Cow<'static, str>,
}

impl SecretEnv {
    /// Reads the variable of this name.
    pub fn new(name: impl Into<Cow<'static, str>>) -> Self {
        Self { name: name.into() }
    }

    fn value(&self) -> Result<Secret, Error> {
        let bad = |problem| Error::config(self.name.clone(), problem);
        // A name that no variable can have is not set either; asking for it would panic.
        if self.name.is_empty() || self.name.contains(['=', '\0']) {
            return Err(bad("is no name of an environment variable"));
        }
        let value = env::var_os(&*self.name).ok_or_else(|| bad("set it in the environment"))?;
        let value = value
            .into_string()
            .map_err(|_| bad("the environment's value is not Unicode"))?;
        match value.is_empty() {
            true => Err(bad("the environment's value is empty")),
            false => Ok(Secret::new(value)),
        }
    }
}

impl SecretSource for SecretEnv {
    async fn read(&self) -> Result<Secret, Error> {
        self.value()
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
    fn names_the_variable_that_is_not_fit() {
        for name in ["AUTH_CORE_TEST_NOT_SET", "", "A=B", "A\0B"] {
            let error = SecretEnv::new(name).value().unwrap_err();
            assert_eq!(error.field(), Some(name));
        }
    }
}
