//! `auth_core::Origins::permits` against `url`, by which reqwest decides where a request goes.
//! Input: an origin in the first line, a URI in the second.

use auth_core::Origins;
use http::Uri;
use url::Url;

pub(crate) fn judge(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else {
        return;
    };
    let mut lines = text.lines();
    let (Some(origin), Some(target)) = (lines.next(), lines.next()) else {
        return;
    };
    let Ok(uri) = target.parse::<Uri>() else {
        return;
    };
    let Ok(allowed) = Origins::new([origin]) else {
        return;
    };
    // A host that ends in a number and is no address is one for `http`, and none for `url`.
    let home = Url::parse(origin).ok();
    let asked = Url::parse(target).ok();
    let same = match (&home, &asked) {
        (Some(home), Some(asked)) => {
            home.scheme() == "https"
                && asked.origin() == home.origin()
                && asked.username().is_empty()
                && asked.password().is_none()
        }
        (home, asked) => home.is_none() && asked.is_none(),
    };
    if allowed.permits(&uri) {
        assert!(same, "{target} goes elsewhere than to {origin}");
    } else if home.is_some() && is_plain(origin) && is_plain(target) {
        assert!(!same, "{target} goes to {origin}");
    }
}

/// A host of letters and digits: nothing that the two may write in different ways.
fn is_plain(url: &str) -> bool {
    let Some((scheme, rest)) = url.split_once("://") else {
        return false;
    };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, port) = rest[..end].split_once(':').unwrap_or((&rest[..end], "443"));
    let labels = |label: &str| {
        label.starts_with(|c: char| c.is_ascii_lowercase())
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric())
            && !label.starts_with("xn")
    };
    matches!(scheme, "http" | "https")
        && host.split('.').all(labels)
        && !port.starts_with('0')
        && port.parse::<u16>().is_ok()
        && port.bytes().all(|byte| byte.is_ascii_digit())
}
