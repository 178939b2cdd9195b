use std::net::IpAddr;

use auth_core::Error;
use http::{
    Uri,
    uri::{Authority, Scheme},
};

use crate::parameter::is_reserved;

/// Checks a token endpoint's URL (RFC 6749 section 3.2). No error shows the URL: it may hold what
/// it must not.
pub(crate) fn check(field: &'static str, url: &str, http_loopback: bool) -> Result<Uri, Error> {
    let bad = |problem: &str| Error::config(field, problem);
    if url.contains('#') {
        return Err(bad("must not have a fragment"));
    }
    let uri: Uri = url.parse().map_err(|_| bad("is not a URL"))?;
    let (Some(scheme), Some(authority)) = (uri.scheme(), uri.authority()) else {
        return Err(bad("is not an absolute URL: it must start with https://"));
    };
    if authority.as_str().contains('@') {
        return Err(bad("must not carry user information"));
    }
    if authority.host().is_empty() {
        return Err(bad("has no host"));
    }
    if !has_valid_port(authority) {
        return Err(bad("has a port that is not a number"));
    }
    if *scheme == Scheme::HTTPS
        || (http_loopback && *scheme == Scheme::HTTP && is_loopback(authority))
    {
        return Ok(uri);
    }
    Err(bad(match http_loopback {
        false => "must be https",
        true => "must be https, or http on a loopback address written as a number",
    }))
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

fn is_loopback(authority: &Authority) -> bool {
    let host = authority
        .host()
        .trim_start_matches('[')
        .trim_end_matches(']');
    host.parse::<IpAddr>()
        .is_ok_and(|address| address.is_loopback())
}

fn has_valid_port(authority: &Authority) -> bool {
    match authority.as_str().strip_prefix(authority.host()) {
        Some("") => true,
        Some(_) => authority.port_u16().is_some(),
        None => false,
    }
}
