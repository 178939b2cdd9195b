use http::{Response, header};

/// The kind of a reply's body. Contains no byte of the body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum BodyKind {
    Empty,
    /// A JSON object, or the beginning of one.
    Object,
    JsonArray,
    Html,
    /// Compressed although `Accept-Encoding: identity` was sent.
    Compressed(&'static str),
    Utf16,
    Form,
    Other,
}

impl BodyKind {
    /// Describes the kind in words, with an article.
    pub(crate) fn describe(self) -> String {
        match self {
            Self::Empty => "an empty body".into(),
            Self::Object => "a JSON object".into(),
            Self::JsonArray => "a JSON array where an object was expected".into(),
            Self::Html => "an HTML page".into(),
            Self::Compressed(coding) => format!(
                "a body compressed with {coding}, although the request asked for \
                 `Accept-Encoding: identity`"
            ),
            Self::Utf16 => "a body in UTF-16 or UTF-32 where JSON has to be UTF-8".into(),
            Self::Form => "a form-encoded body where JSON was expected".into(),
            Self::Other => "a body that is not a JSON object".into(),
        }
    }
}

/// The facts about a reply that an error can show.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    pub(crate) body: BodyKind,
    media_type: Option<&'static str>,
}

impl Seen {
    pub(crate) fn of<B: AsRef<[u8]>>(reply: &Response<B>) -> Self {
        Self {
            body: body_kind(reply),
            media_type: media_type(reply),
        }
    }

    /// Returns whether an authorization server may have written the reply, by the form of its body.
    /// If so, the token request may have taken effect.
    pub(crate) fn is_json_like(self) -> bool {
        match self.body {
            BodyKind::Object | BodyKind::JsonArray | BodyKind::Form => true,
            BodyKind::Html => false,
            BodyKind::Empty | BodyKind::Compressed(_) | BodyKind::Utf16 | BodyKind::Other => {
                self.media_type.is_some_and(|name| name.ends_with("json"))
            }
        }
    }

    /// Returns whether the body is a page for people.
    pub(crate) fn is_page(self) -> bool {
        let html = ["text/html", "application/xhtml+xml"];
        match self.body {
            BodyKind::Html => true,
            BodyKind::Empty | BodyKind::Object | BodyKind::JsonArray => false,
            _ => self.media_type.is_some_and(|name| html.contains(&name)),
        }
    }

    pub(crate) fn describe(self) -> String {
        let mut text = self.body.describe();
        if let Some(name) = self.media_type {
            text.push_str(&format!(" (media type {name})"));
        }
        text
    }
}

fn body_kind<B: AsRef<[u8]>>(reply: &Response<B>) -> BodyKind {
    let whole = reply.body().as_ref();
    let body = trimmed(whole);
    match body {
        [] => return BodyKind::Empty,
        [b'{', ..] => return BodyKind::Object,
        // A transport that decompresses may keep the header, so the bytes are checked first.
        [b'<', ..] => return BodyKind::Html,
        _ => {}
    }
    if let Some(coding) = coding(reply) {
        return BodyKind::Compressed(coding);
    }
    match body {
        [0x1f, 0x8b, ..] => BodyKind::Compressed("gzip"),
        [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => BodyKind::Utf16,
        _ if body.iter().take(4).any(|byte| *byte == 0) => BodyKind::Utf16,
        [b'[', ..] => BodyKind::JsonArray,
        _ if body.starts_with(b"access_token=") => BodyKind::Form,
        _ => BodyKind::Other,
    }
}

/// Returns the body without a byte order mark and surrounding white space.
pub(crate) fn trimmed(body: &[u8]) -> &[u8] {
    body.strip_prefix(BOM).unwrap_or(body).trim_ascii()
}

/// UTF-8's byte order mark, which JSON must not have (RFC 8259 section 8.1) and some servers send.
const BOM: &[u8] = b"\xef\xbb\xbf";

/// What to check if another server may have written the reply.
pub(super) const CHECK: &str =
    "check `token_url`, and whether a proxy, a firewall or a captive portal answers in between";

/// Returns the content coding (RFC 9110 section 8.4.1) as a constant: the header's text is not
/// shown, because the sender chose it.
fn coding<B>(reply: &Response<B>) -> Option<&'static str> {
    let mut unknown = None;
    for line in reply.headers().get_all(header::CONTENT_ENCODING) {
        for name in line.as_bytes().split(|byte| *byte == b',') {
            let name = name.trim_ascii().to_ascii_lowercase();
            match &*name {
                b"" | b"identity" => {}
                b"gzip" | b"x-gzip" => return Some("gzip"),
                b"deflate" => return Some("deflate"),
                b"br" => return Some("br"),
                b"zstd" => return Some("zstd"),
                b"compress" | b"x-compress" => return Some("compress"),
                _ => unknown = Some("an unknown content coding"),
            }
        }
    }
    unknown
}

/// Returns the media type if this crate knows it. The header's text is not shown, because the
/// sender chose it.
fn media_type<B>(reply: &Response<B>) -> Option<&'static str> {
    const KNOWN: [&str; 13] = [
        "application/javascript",
        "application/json",
        "application/jwt",
        "application/octet-stream",
        "application/problem+json",
        "application/x-www-form-urlencoded",
        "application/xhtml+xml",
        "application/xml",
        "text/html",
        "text/javascript",
        "text/json",
        "text/plain",
        "text/xml",
    ];
    let line = reply.headers().get(header::CONTENT_TYPE)?.to_str().ok()?;
    let name = line.split(';').next().unwrap_or_default().trim();
    KNOWN
        .into_iter()
        .find(|known| name.eq_ignore_ascii_case(known))
}
