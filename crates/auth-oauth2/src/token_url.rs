use auth_core::{Error, HttpHosts};
use http::Uri;

use crate::parameter::is_reserved;

/// Checks a token endpoint's URL (RFC 6749 section 3.2). No error shows more of the URL than
/// scheme, host and port: the rest may hold a credential.
pub(crate) fn check(field: &'static str, url: &str, http: &HttpHosts) -> Result<Uri, Error> {
    // Ahead of the parser, which drops a fragment.
    if url.contains('#') {
        return Err(Error::config(field, "has a fragment (#...); remove it"));
    }
    http.check(field, url)
}

/// Checks that a URL's query, which the standard permits, has no parameter of the request's:
/// credentials never go into a URL (RFC 6749 section 2.3.1), and nothing is sent twice.
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
                "must not carry a credential in its query",
            ));
        }
        if is_reserved(&name) || extras.clone().any(|extra| extra == name) {
            return Err(Error::config(
                field,
                "has a parameter in its query that the body has too",
            ));
        }
    }
    Ok(())
}

/// Names under which credentials travel in some grant or other.
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
