use auth_core::{Error, Secret};

/// Returns whether a request sets this parameter itself, or whether the parameter would
/// authenticate the client a second time (RFC 6749 section 2.3).
pub(crate) fn is_reserved(name: &str) -> bool {
    matches!(
        name,
        "grant_type"
            | "client_id"
            | "client_secret"
            | "client_assertion"
            | "client_assertion_type"
            | "scope"
            | "audience"
            | "resource"
            | "refresh_token"
    )
}

/// Checks the identifier of a client or a user. White space at its ends comes from the file or the
/// variable that it was read from, and the server would reject the login. For the vendor crates of
/// this workspace.
///
/// # Errors
///
/// [`Config`](auth_core::ErrorKind::Config) on this field.
#[doc(hidden)]
pub fn check_identifier(field: &'static str, text: &str) -> Result<(), Error> {
    if text.is_empty() {
        return Err(Error::config(field, "must not be empty"));
    }
    if text.trim() != text || text.contains(char::is_control) {
        let problem = "begins or ends with white space, or contains a line end or another control \
                       character; remove it";
        return Err(Error::config(field, problem));
    }
    Ok(())
}

/// RFC 6749 section 3.3.
pub(crate) fn check_scope(scope: &str) -> Result<(), Error> {
    let fits = |byte| matches!(byte, b'!' | b'#'..=b'[' | b']'..=b'~');
    if scope.bytes().any(|byte| byte != b' ' && !fits(byte)) {
        let problem = "has a character that RFC 6749 section 3.3 does not permit; remove it";
        return Err(Error::config("scope", problem));
    }
    if !scope.is_empty() && scope.split(' ').any(str::is_empty) {
        return Err(Error::config(
            "scope",
            "must have exactly one space between two values",
        ));
    }
    Ok(())
}

/// RFC 8707 section 2.
pub(crate) fn check_resources(uris: &[String]) -> Result<(), Error> {
    for (index, uri) in uris.iter().enumerate() {
        let bad = |problem| Err(Error::config("resource", format_args!("`{uri}` {problem}")));
        if uri.contains('#') {
            return bad("has a fragment (#...); remove it");
        }
        if !uri.is_empty() && !is_absolute(uri) {
            return bad("is not an absolute URI; begin it with a scheme, for example https://");
        }
        if uris.iter().take(index).any(|other| other == uri) {
            return bad("is set twice; remove one");
        }
    }
    Ok(())
}

/// RFC 3986 section 4.3. The parts of the URI are not checked.
fn is_absolute(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else {
        return false;
    };
    let begins = scheme.starts_with(|char: char| char.is_ascii_alphabetic());
    let scheme_fits = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let rest_fits = |byte: u8| byte.is_ascii_graphic() && !b"\"<>\\^`{|}".contains(&byte);
    begins && scheme.bytes().all(scheme_fits) && !rest.is_empty() && rest.bytes().all(rest_fits)
}

pub(crate) fn check_extras(extras: &[(String, Secret)]) -> Result<(), Error> {
    for (index, (name, _)) in extras.iter().enumerate() {
        if name.is_empty() {
            return Err(Error::config(
                "extra",
                "a parameter has an empty name; name it or remove it",
            ));
        }
        let bad = |problem| Err(Error::config("extra", format_args!("`{name}` {problem}")));
        if is_reserved(name) {
            return bad("is a parameter that the request sets itself; remove it");
        }
        if extras.iter().take(index).any(|(other, _)| other == name) {
            return bad("is set twice; remove one");
        }
    }
    Ok(())
}
