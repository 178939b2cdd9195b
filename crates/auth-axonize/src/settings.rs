//! Constants and checks that both methods share.

use auth_core::{Error, Secret, SecretSource as _, SharedSecretSource};
use http::HeaderName;

/// Written `appId` by the vendor.
pub(crate) const APP_ID: HeaderName = HeaderName::from_static("appid");

/// The content type that the vendor requires on each request, also on those without a body.
pub(crate) const CONTENT_TYPE: &str = "application/json";

/// A text that is put into a header.
pub(crate) fn check_header(field: &'static str, value: &str) -> Result<(), Error> {
    if value.is_empty() {
        return Err(Error::config(field, "must not be empty"));
    }
    if value.bytes().all(|byte| byte.is_ascii_graphic()) {
        Ok(())
    } else {
        Err(Error::config(
            field,
            "contains a space, a line end or a character outside ASCII, which a header must not contain",
        ))
    }
}

/// A secret, if it is known already.
pub(crate) fn check_secret(field: &'static str, source: &SharedSecretSource) -> Result<(), Error> {
    if source.fixed().is_some_and(Secret::is_empty) {
        Err(Error::config(field, "must not be empty"))
    } else {
        source.check()
    }
}
