//! Detects whether a reqwest client followed a redirect.
//!
//! A [`redirect::Policy`](reqwest::redirect::Policy) and a [retry policy](reqwest::retry) are
//! shared by all requests of a client and do not know for which request they decide. But reqwest
//! calls both while the request's future is polled, on the same thread. A note that they leave in a
//! thread-local variable is therefore about the request that is being polled.
//!
//! Reqwest calls its retry policy below its redirect follower. The retry policy thus sees each
//! response of a chain of redirects, with the request that it answers.

use std::cell::RefCell;

use http::Uri;
use reqwest::{Method, StatusCode, Url};

thread_local! {
    /// The requests that are being polled. One may be polled inside another: two `AuthMiddleware`s.
    static POLLED: RefCell<Vec<Notes>> = const { RefCell::new(Vec::new()) };
}

/// Notes that a redirect may be followed next.
pub(crate) fn note_redirect() {
    note(|notes| notes.followed = true);
}

/// Notes a response to one request of a chain.
#[cfg_attr(
    not(feature = "middleware"),
    allow(dead_code, reason = "only clients for `AuthMiddleware` note it")
)]
pub(crate) fn note_answer(method: &Method, uri: &Uri, status: StatusCode) {
    note(|notes| {
        // Another response came after a redirect, so the redirect was followed.
        notes.followed |= notes.is_after_redirect;
        notes.is_after_redirect = status.is_redirection();
        if notes.wants_answer {
            notes.answer = Some(Box::new(Answer {
                method: method.clone(),
                uri: uri.clone(),
                status,
            }));
        }
    });
}

fn note(change: impl Fn(&mut Notes)) {
    // A thread that is ending polls no requests.
    _ = POLLED.try_with(|polled| polled.borrow_mut().iter_mut().for_each(change));
}

/// The notes about one request. Small, because each poll moves them to the thread and back.
#[derive(Debug, Default)]
struct Notes {
    followed: bool,
    /// Whether the latest response that the retry policy saw is a redirect.
    is_after_redirect: bool,
    /// Whether the latest response is noted too.
    wants_answer: bool,
    answer: Option<Box<Answer>>,
}

/// A response that the retry policy saw.
#[derive(Debug)]
struct Answer {
    method: Method,
    uri: Uri,
    status: StatusCode,
}

/// The request that a response answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answered {
    /// The request that was sent.
    Sent,
    /// A request after a redirect.
    Redirected,
    /// The request that was sent, or a request after a redirect to the same URL.
    Unknown,
}

/// Whether redirects of a client can be detected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Redirects {
    /// The client follows none, or its policy notes them.
    Seen,
    /// The application made the client; its policy is unknown.
    Unknown,
}

/// The facts about the redirects of one request.
#[derive(Debug)]
pub(crate) struct Followed {
    method: Method,
    sent_to: Target,
    notes: Notes,
}

/// Where a request was sent.
#[derive(Debug)]
pub(crate) enum Target {
    Uri(Uri),
    /// The text of a URL, which costs less than a URI.
    #[cfg(feature = "middleware")]
    Url(Box<str>),
}

impl Followed {
    /// Starts to observe a request.
    pub(crate) fn watch(method: Method, sent_to: Target, redirects: Redirects) -> Self {
        // An idempotent request may be sent again in either case.
        let wants_answer = redirects == Redirects::Unknown && !method.is_idempotent();
        Self {
            method,
            sent_to,
            notes: Notes {
                wants_answer,
                ..Notes::default()
            },
        }
    }

    /// Polls the request and stores the notes that are made during the poll.
    pub(crate) fn poll<T>(&mut self, poll: impl FnOnce() -> T) -> T {
        let _polled = Polled::start(&mut self.notes);
        poll()
    }

    /// Returns which request a response answers.
    fn answered(&self, url: &Url, status: StatusCode) -> Answered {
        let Self {
            method,
            sent_to,
            notes,
        } = self;
        if notes.followed || !sent_to.is(url) {
            return Answered::Redirected;
        }
        if !notes.wants_answer {
            return Answered::Sent;
        }
        let is_sent = |answer: &Answer| {
            answer.method == *method && answer.status == status && is_same(&answer.uri, url)
        };
        if notes.answer.as_deref().is_some_and(is_sent) {
            Answered::Sent
        } else {
            Answered::Unknown
        }
    }

    /// Marks a response unless it certainly answers the request that was sent.
    pub(crate) fn mark(&self, response: &mut reqwest::Response) {
        match self.answered(response.url(), response.status()) {
            Answered::Sent => {}
            Answered::Redirected => {
                response.extensions_mut().insert(auth_core::Redirected);
            }
            Answered::Unknown => {
                response.extensions_mut().insert(auth_core::RedirectsUnseen);
            }
        }
    }
}

impl Target {
    /// Returns whether the URL is that of the target, without their fragments.
    fn is(&self, url: &Url) -> bool {
        match self {
            Self::Uri(uri) => is_same(uri, url),
            #[cfg(feature = "middleware")]
            Self::Url(text) => is_same_url(text, url),
        }
    }
}

/// As [`is_same`], for the text of a normalized URL.
#[cfg(feature = "middleware")]
fn is_same_url(text: &str, url: &Url) -> bool {
    text == url.as_str() || text.parse().is_ok_and(|uri| is_same(&uri, url))
}

/// Returns whether a URI, as the application wrote it, and a URL, which is normalized, are equal
/// without their fragments.
fn is_same(uri: &Uri, url: &Url) -> bool {
    is_same_text(uri, url.as_str()) || is_normalized(uri, url)
}

/// Compares without normalizing, which is enough for nearly all requests.
fn is_same_text(uri: &Uri, url: &str) -> bool {
    let rest = uri.scheme_str().and_then(|scheme| url.strip_prefix(scheme));
    let rest = rest.and_then(|rest| rest.strip_prefix("://"));
    let rest = rest
        .zip(uri.authority())
        .and_then(|(rest, authority)| rest.strip_prefix(authority.as_str()));
    rest.zip(uri.path_and_query())
        .is_some_and(|(rest, path_and_query)| rest == path_and_query.as_str())
}

#[cold]
fn is_normalized(uri: &Uri, url: &Url) -> bool {
    let mut url = url.clone();
    url.set_fragment(None);
    Url::parse(&uri.to_string()).is_ok_and(|uri| uri == url)
}

/// A request that is being polled. Its notes are in the thread-local variable during the poll, and
/// are moved back also if the poll panics.
struct Polled<'a> {
    notes: &'a mut Notes,
}

impl<'a> Polled<'a> {
    fn start(notes: &'a mut Notes) -> Self {
        let noted = std::mem::take(notes);
        POLLED.with_borrow_mut(|polled| polled.push(noted));
        Self { notes }
    }
}

impl Drop for Polled<'_> {
    fn drop(&mut self) {
        let noted = POLLED.with_borrow_mut(Vec::pop);
        *self.notes = noted.unwrap_or_default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn uri_and_url_are_compared_without_fragment_and_normalized() {
        for (uri, url, same) in [
            ("https://a.example/", "https://a.example/", true),
            ("https://a.example", "https://a.example/", true),
            ("https://a.example/b?c=d", "https://a.example/b?c=d", true),
            ("https://a.example:8443/b", "https://a.example:8443/b", true),
            ("https://a.example:443/b", "https://a.example/b", true),
            ("https://A.example/b", "https://a.example/b", true),
            ("https://a.example/x/../b", "https://a.example/b", true),
            ("https://a.example/b", "https://a.example/b#c", true),
            ("https://a.example?c", "https://a.example/?c", true),
            ("https://u:p@a.example/b", "https://u:p@a.example/b", true),
            ("https://a.example/b", "https://a.example/bc", false),
            ("https://a.example/bc", "https://a.example/b", false),
            ("https://a.example/b", "https://a.example/B", false),
            ("https://a.example/b", "https://a.example/b?", false),
            ("https://a.example/b", "https://a.example.net/b", false),
            ("https://a.example/b", "https://a.example:8443/b", false),
            ("https://a.example/b", "http://a.example/b", false),
            ("https://a.example/b", "https://u@a.example/b", false),
            ("/b", "https://a.example/b", false),
        ] {
            let compared = is_same(&uri.parse().unwrap(), &Url::parse(url).unwrap());
            assert_eq!(compared, same, "{uri} and {url}");
        }
    }
}
