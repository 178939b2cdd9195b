//! Tells who polls a reqwest client whether the client followed a redirect.
//!
//! A [`redirect::Policy`](reqwest::redirect::Policy) and a [retry policy](reqwest::retry) are
//! shared by all requests of a client and do not know for which request they decide. But reqwest
//! asks both while the request's future is polled, on the same thread. So a note that they leave on
//! the thread is about the request that is polled at that time.
//!
//! Reqwest asks its retry policy below its redirect follower. So the retry policy sees each
//! response of a chain of redirects, with the request that it answers.

use std::cell::RefCell;

use http::Uri;
use reqwest::{Method, StatusCode, Url};

thread_local! {
    /// The requests that are polled now. One may be polled inside another: two `AuthMiddleware`s.
    static POLLED: RefCell<Vec<Notes>> = const { RefCell::new(Vec::new()) };
}

/// Notes that a redirect may be followed now.
pub(crate) fn note_redirect() {
    note(|notes| notes.followed = true);
}

/// Notes a response of one request of a chain.
#[cfg_attr(
    not(feature = "middleware"),
    allow(dead_code, reason = "only clients for `AuthMiddleware` note it")
)]
pub(crate) fn note_answer(method: &Method, uri: &Uri, status: StatusCode) {
    note(|notes| {
        // A redirect with another response after it was followed.
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
    // A thread that ends polls no requests.
    _ = POLLED.try_with(|polled| polled.borrow_mut().iter_mut().for_each(change));
}

/// What was noted about one request. Small, because each poll moves it to the thread and back.
#[derive(Debug, Default)]
struct Notes {
    followed: bool,
    /// The latest response that the retry policy saw is a redirect.
    is_after_redirect: bool,
    /// Whether the latest response is noted, too.
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

/// Which request a response answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Answered {
    /// The one that was sent.
    Sent,
    /// One after a redirect.
    Redirected,
    /// The one that was sent, or one after a redirect to the same URL.
    Unknown,
}

/// What is known about a client's redirects before it sends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Redirects {
    /// There are none, or the client's policy notes them.
    Seen,
    /// The client is somebody else's.
    Unknown,
}

/// What is known about the redirects of one request.
#[derive(Debug)]
pub(crate) struct Followed {
    method: Method,
    sent_to: Uri,
    notes: Notes,
}

impl Followed {
    /// Starts to watch a request.
    pub(crate) fn watch(method: Method, sent_to: Uri, redirects: Redirects) -> Self {
        // An idempotent request may be sent again in any case.
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

    /// Polls the request, and remembers what is noted meanwhile.
    pub(crate) fn poll<T>(&mut self, poll: impl FnOnce() -> T) -> T {
        let _polled = Polled::start(&mut self.notes);
        poll()
    }

    /// Tells which request a response answers.
    fn answered(&self, url: &Url, status: StatusCode) -> Answered {
        let Self {
            method,
            sent_to,
            notes,
        } = self;
        if notes.followed || !is_same(sent_to, url) {
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

    /// Marks a response that does not answer, or may not answer, the request that was sent.
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

/// Tells whether a URI, which is as the application wrote it, and a URL, which is normalized, are
/// the same without their fragments.
fn is_same(uri: &Uri, url: &Url) -> bool {
    is_same_text(uri, url.as_str()) || is_normalized(uri, url)
}

/// Compares as the URI is written: nearly always the same.
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

/// A request that is polled. Its notes lie on the thread meanwhile, and come back also if the poll
/// panics.
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
