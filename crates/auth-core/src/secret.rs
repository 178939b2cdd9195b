pub(crate) mod credentials;
pub(crate) mod rejections;
pub(crate) mod source;

use std::{fmt, sync::Arc};

use bytes::Bytes;
use zeroize::Zeroizing;

/// A secret text. `Debug` hides it, clones share its memory, and the memory is wiped when the last
/// clone is dropped.
///
/// Use it for client secrets, passwords and access tokens. It has no `Display`. Comparing two
/// secrets of equal length takes the same time wherever they differ.
///
/// # Example
///
/// ```
/// use auth_core::Secret;
///
/// let secret = Secret::new("not-a-real-secret");
/// assert_eq!(format!("{secret:?}"), "Secret(***)");
/// assert_eq!(secret.expose(), "not-a-real-secret");
/// ```
///
/// # Security
///
/// Not all copies are wiped. Wiping does not reach copies that TLS, the HTTP client or the operating
/// system made, nor earlier copies of the `String` that the secret was made from.
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<String>>);

impl Secret {
    /// Makes a secret from a text.
    pub fn new(text: impl Into<String>) -> Self {
        Self(Arc::new(Zeroizing::new(text.into())))
    }

    /// Returns the text. Keep it out of logs, errors and `format!`.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }

    /// Returns the text if no clone exists.
    pub(crate) fn into_only(self) -> Result<Zeroizing<String>, Self> {
        Arc::try_unwrap(self.0).map_err(Self)
    }

    /// Returns whether the text is empty.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl PartialEq for Secret {
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (self.0.as_bytes(), other.0.as_bytes());
        a.len() == b.len() && a.iter().zip(b).fold(0, |diff, (x, y)| diff | (x ^ y)) == 0
    }
}

impl Eq for Secret {}

#[cfg(test)]
impl std::hash::Hash for Secret {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.expose().hash(state);
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl From<&str> for Secret {
    fn from(text: &str) -> Self {
        Self::new(text)
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self::new(text)
    }
}

impl From<Secret> for Bytes {
    /// Shares the secret's memory as bytes, for a request body. Wiped with the last clone.
    fn from(secret: Secret) -> Self {
        struct Owner(Secret);
        impl AsRef<[u8]> for Owner {
            fn as_ref(&self) -> &[u8] {
                self.0.expose().as_bytes()
            }
        }
        Self::from_owner(Owner(secret))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equality_is_by_content() {
        assert_eq!(Secret::new("a"), Secret::new("a"));
        assert_ne!(Secret::new("a"), Secret::new("b"));
        assert_ne!(Secret::new("a"), Secret::new("ab"));
    }

    #[test]
    fn bytes_share_the_memory() {
        let secret = Secret::new("text");
        let bytes = Bytes::from(secret.clone());
        assert_eq!(bytes.as_ptr(), secret.expose().as_ptr());
    }
}
