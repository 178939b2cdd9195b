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
pub(crate) fn note_answer(method: &Method, uri: &http::Uri, status: StatusCode) {
    note(|notes| {
        // A redirect with another response after it was followed.
        notes.followed |= notes.last.as_ref().is_some_and(Answer::is_redirect);
        notes.last = Some(Answer {
            method: method.clone(),
            uri: uri.clone(),
            status,
        });
    });
}

fn note(change: impl Fn(&mut Notes)) {
    // A thread that ends polls no requests.
    _ = POLLED.try_with(|polled| polled.borrow_mut().iter_mut().for_each(change));
}

/// What was noted about one request.
#[derive(Debug, Default)]
struct Notes {
    followed: bool,
    /// The latest response that the retry policy saw.
    last: Option<Answer>,
}

#[derive(Debug)]
struct Answer {
    method: Method,
    uri: http::Uri,
    status: StatusCode,
}

impl Answer {
    fn is_redirect(&self) -> bool {
        self.status.is_redirection()
    }

    fn is(&self, method: &Method, url: &Url, status: StatusCode) -> bool {
        self.method == method
            && self.status == status
            && Url::parse(&self.uri.to_string()).is_ok_and(|uri| uri == *url)
    }
}

/// Which request a response answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Answered {
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
    redirects: Redirects,
    method: Method,
    sent_to: Url,
    notes: Notes,
}

impl Followed {
    /// Starts to watch a request.
    pub(crate) fn watch(request: &reqwest::Request, redirects: Redirects) -> Self {
        let mut sent_to = request.url().clone();
        // A response's URL has none.
        sent_to.set_fragment(None);
        Self {
            redirects,
            method: request.method().clone(),
            sent_to,
            notes: Notes::default(),
        }
    }

    /// Polls the request, and remembers what is noted meanwhile.
    pub(crate) fn poll<T>(&mut self, poll: impl FnOnce() -> T) -> T {
        let _polled = Polled::start(&mut self.notes);
        poll()
    }

    /// Tells which request a response answers.
    pub(crate) fn answered(&self, url: &Url, status: StatusCode) -> Answered {
        let Self { method, notes, .. } = self;
        if notes.followed || self.sent_to != *url {
            return Answered::Redirected;
        }
        let is_sent = |last: &Answer| last.is(method, url, status);
        // An idempotent request may be sent again in any case.
        let is_known = self.redirects == Redirects::Seen || method.is_idempotent();
        if is_known || notes.last.as_ref().is_some_and(is_sent) {
            Answered::Sent
        } else {
            Answered::Unknown
        }
    }

    /// Marks a response that does not answer, or may not answer, the request that was sent.
    pub(crate) fn mark(&self, url: &Url, status: StatusCode, marks: &mut http::Extensions) {
        match self.answered(url, status) {
            Answered::Sent => {}
            Answered::Redirected => _ = marks.insert(auth_core::Redirected),
            Answered::Unknown => _ = marks.insert(auth_core::RedirectsUnseen),
        }
    }
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
