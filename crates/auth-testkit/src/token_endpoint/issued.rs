use std::{fmt, time::Duration};

/// A token that was issued by a [`VendorRequest`](crate::VendorRequest).
#[derive(Clone)]
pub struct IssuedToken {
    pub(crate) token: String,
    pub(crate) lifetime: Duration,
}

impl IssuedToken {
    /// Returns the token itself.
    #[must_use]
    pub fn token(&self) -> &str {
        &self.token
    }

    /// Returns the lifetime that the client is told.
    #[must_use]
    pub fn lifetime(&self) -> Duration {
        self.lifetime
    }
}

impl fmt::Debug for IssuedToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("IssuedToken")
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}
