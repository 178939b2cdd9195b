use auth_core::{Error, HttpHosts};
use http::Uri;

use crate::parameter::is_reserved;

/// Checks a token endpoint's URL (RFC 6749 section 3.2). Errors show only scheme, host and port of
/// the URL, because the rest may contain a credential.
pub(crate) fn check(field: &'static str, url: &str, http: &HttpHosts) -> Result<Uri, Error> {
    // Before parsing, because the parser drops a fragment.
    if url.contains('#') {
        return Err(Error::config(field, "has a fragment (#...); remove it"));
    }
    http.check(field, url)
}

/// Checks that the URL's query, which RFC 6749 section 3.2 permits, has no parameter of the
/// request. Credentials must not be in a URL (RFC 6749 section 2.3.1), and no parameter may occur
/// twice.
pub(crate) fn check_query<'a>(
    field: &'static str,
    uri: &Uri,
    extras: impl Iterator<Item = &'a str> + Clone,
) -> Result<(), Error> {
    let query = uri.query().unwrap_or_default();
    for (name, _) in form_urlencoded::parse(query.as_bytes()) {
        if is_credential(&name) {
            return Err(Error::config(
                field,
                "has a credential in its query; remove it",
            ));
        }
        if is_reserved(&name) || extras.clone().any(|extra| extra == name) {
            return Err(Error::config(
                field,
                "has a parameter in its query that the body has too; remove it from the URL",
            ));
        }
    }
    Ok(())
}

/// Names that credentials have in some grant.
fn is_credential(name: &str) -> bool {
    const NAMES: [&str; 13] = [
        "access_token",
        "actor_token",
        "api_key",
        "apikey",
        "assertion",
        "client_assertion",
        "client_secret",
        "code",
        "code_verifier",
        "password",
        "refresh_token",
        "subject_token",
        "username",
    ];
    NAMES.iter().any(|other| name.eq_ignore_ascii_case(other))
}
