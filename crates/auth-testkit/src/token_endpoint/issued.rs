use std::{fmt, time::Duration};

/// A token that a [`VendorRequest`](crate::VendorRequest) brought.
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

    /// Returns how long it is to live, as far as the client is told.
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
