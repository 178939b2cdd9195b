//! Detects whether a reqwest client followed a redirect.
//!
//! A [`redirect::Policy`](reqwest::redirect::Policy) and a [retry policy](reqwest::retry) are
//! shared by all requests of a client and do not know for which request they decide. But reqwest
//! calls both while the request's future is polled, on the same thread. A note that they leave in a
//! thread-local variable is therefore about the request that is being polled.
//!
//! Reqwest calls its retry policy below its redirect follower. The retry policy thus sees each
//! response of a chain of redirects, with the request that it answers.

use std::cell::{Cell, RefCell};

use http::Uri;
use reqwest::{Method, StatusCode, Url};

thread_local! {
    /// What the request that is being polled has seen in this poll. One request may be polled
    /// inside another (two `AuthMiddleware`s); the outer one then sees all that the inner one sees.
    static SEEN: Cell<Seen> = const { Cell::new(Seen::NOTHING) };
    /// The number of requests being polled that want the latest answer.
    static WANTED: Cell<usize> = const { Cell::new(0) };
    /// The latest answer, if a request being polled wants it.
    static LATEST: RefCell<Option<Answer>> = const { RefCell::new(None) };
}

/// Notes that a redirect may be followed next.
pub(crate) fn note_redirect() {
    see(Seen {
        followed: true,
        answer: None,
    });
}

/// Notes a response to one request of a chain.
#[cfg_attr(
    not(feature = "middleware"),
    allow(dead_code, reason = "only clients for `AuthMiddleware` note it")
)]
#[inline]
pub(crate) fn note_answer(method: &Method, uri: &Uri, status: StatusCode) {
    see(Seen {
        followed: false,
        answer: Some(status.is_redirection()),
    });
    if WANTED.get() > 0 {
        LATEST.set(Some(Answer {
            method: method.clone(),
            uri: uri.clone(),
            status,
        }));
    }
}

#[inline]
fn see(next: Seen) {
    SEEN.set(SEEN.get().then(next));
}

/// What was seen of the redirects of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    /// Whether a redirect was followed.
    followed: bool,
    /// Whether the latest answer is a redirect. `None` without an answer.
    answer: Option<bool>,
}

impl Seen {
    const NOTHING: Self = Self {
        followed: false,
        answer: None,
    };

    /// Adds what was seen afterwards.
    #[inline]
    fn then(self, next: Self) -> Self {
        // An answer came after a redirect, so the redirect was followed.
        let after_redirect = self.answer == Some(true) && next.answer.is_some();
        Self {
            followed: self.followed || next.followed || after_redirect,
            answer: next.answer.or(self.answer),
        }
    }
}

/// A response that the retry policy saw.
#[derive(Clone, Debug)]
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
    seen: Seen,
    /// Whether the latest answer is kept too.
    wants_answer: bool,
    answer: Option<Answer>,
}

/// Where a request was sent.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target<'a> {
    Uri(&'a Uri),
    #[cfg(feature = "middleware")]
    Url(&'a Url),
}

impl Followed {
    /// Starts to observe a request.
    #[inline]
    pub(crate) fn watch(method: &Method, redirects: Redirects) -> Self {
        Self {
            // An idempotent request may be sent again in either case.
            wants_answer: redirects == Redirects::Unknown && !method.is_idempotent(),
            ..Self::watch_policy()
        }
    }

    /// Starts to observe a request that will not be sent again, or may be sent again in any case.
    #[inline]
    pub(crate) fn watch_policy() -> Self {
        Self {
            seen: Seen::NOTHING,
            wants_answer: false,
            answer: None,
        }
    }

    /// Polls the request and stores what is seen during the poll.
    #[inline]
    pub(crate) fn poll<T>(&mut self, poll: impl FnOnce() -> T) -> T {
        let polled = Polled::start(self.wants_answer);
        let output = poll();
        let seen = SEEN.get();
        self.seen = self.seen.then(seen);
        if self.wants_answer && seen.answer.is_some() {
            self.answer = Polled::latest();
        }
        drop(polled);
        output
    }

    /// Returns which request a response answers.
    fn answered(
        &self,
        method: &Method,
        sent_to: Target<'_>,
        url: &Url,
        status: StatusCode,
    ) -> Answered {
        if self.seen.followed || !sent_to.is(url) {
            return Answered::Redirected;
        }
        if !self.wants_answer {
            return Answered::Sent;
        }
        let is_sent = |answer: &Answer| {
            answer.method == *method && answer.status == status && is_same(&answer.uri, url)
        };
        if self.answer.as_ref().is_some_and(is_sent) {
            Answered::Sent
        } else {
            Answered::Unknown
        }
    }

    /// Marks a response unless it certainly answers the request that was sent.
    pub(crate) fn mark(
        &self,
        response: &mut reqwest::Response,
        method: &Method,
        sent_to: Target<'_>,
    ) {
        match self.answered(method, sent_to, response.url(), response.status()) {
            Answered::Sent => {}
            Answered::Redirected => {
                response.extensions_mut().insert(auth_core::Redirected);
            }
            Answered::Unknown => {
                response.extensions_mut().insert(auth_core::RedirectsUnseen);
            }
        }
    }

    /// Marks a response only if the client reported a redirect.
    #[cfg(feature = "middleware")]
    #[inline]
    pub(crate) fn mark_reported(&self, response: &mut reqwest::Response) {
        if self.seen.followed {
            response.extensions_mut().insert(auth_core::Redirected);
        }
    }
}

impl Target<'_> {
    /// Returns whether the URL is that of the target, without their fragments.
    fn is(self, url: &Url) -> bool {
        match self {
            Self::Uri(uri) => is_same(uri, url),
            #[cfg(feature = "middleware")]
            Self::Url(sent_to) => is_same_url(sent_to.as_str(), url),
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

/// A poll of a request. Also ends if the poll panics: the request around it then sees what was seen
/// until the panic.
struct Polled {
    /// What the request around this one has seen.
    outer: Seen,
    wants_answer: bool,
}

impl Polled {
    #[inline]
    fn start(wants_answer: bool) -> Self {
        if wants_answer {
            WANTED.set(WANTED.get() + 1);
        }
        Self {
            outer: SEEN.replace(Seen::NOTHING),
            wants_answer,
        }
    }

    /// Returns the latest answer. The last request that wants it takes it.
    fn latest() -> Option<Answer> {
        LATEST.with_borrow_mut(|latest| match WANTED.get() {
            0 | 1 => latest.take(),
            _ => latest.clone(),
        })
    }
}

impl Drop for Polled {
    #[inline]
    fn drop(&mut self) {
        SEEN.set(self.outer.then(SEEN.get()));
        if self.wants_answer {
            WANTED.set(WANTED.get() - 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::panic::{AssertUnwindSafe, catch_unwind};

    use super::*;

    #[derive(Clone, Copy, Debug, PartialEq)]
    enum Event {
        /// The redirect policy follows a redirect.
        Policy,
        /// The retry policy sees a response with this status.
        Answer(u16),
    }

    impl Event {
        const ALL: [Self; 3] = [Self::Policy, Self::Answer(303), Self::Answer(401)];

        fn happen(self) {
            match self {
                Self::Policy => note_redirect(),
                Self::Answer(status) => answer("https://a.example/", status),
            }
        }

        /// All sequences of this length.
        fn sequences(length: usize) -> Vec<Vec<Self>> {
            (0..length).fold(vec![Vec::new()], |shorter, _| {
                let longer = shorter
                    .iter()
                    .flat_map(|events| Self::ALL.map(|event| [&events[..], &[event]].concat()));
                longer.collect()
            })
        }
    }

    fn answer(uri: &str, status: u16) {
        let status = StatusCode::from_u16(status).unwrap();
        note_answer(&Method::POST, &uri.parse().unwrap(), status);
    }

    /// The definition: a policy followed a redirect, or an answer came after a redirect.
    fn is_followed(events: &[Event]) -> bool {
        let answers = events.iter().filter(|event| **event != Event::Policy);
        let answers: Vec<_> = answers.collect();
        events.contains(&Event::Policy)
            || answers.windows(2).any(|two| *two[0] == Event::Answer(303))
    }

    #[test]
    fn g14_a_followed_redirect_is_seen_however_its_chain_is_split_into_polls() {
        for length in 0..=5 {
            for events in Event::sequences(length) {
                for split in 0..1 << length {
                    let (mut outer, mut inner) =
                        (Followed::watch_policy(), Followed::watch_policy());
                    let mut polls: Vec<Vec<Event>> = vec![Vec::new()];
                    for (at, event) in events.iter().enumerate() {
                        if split >> at & 1 == 1 {
                            polls.push(Vec::new());
                        }
                        polls.last_mut().unwrap().push(*event);
                    }
                    for poll in &polls {
                        // Another request of the thread ends with a redirect.
                        Followed::watch_policy().poll(|| Event::Answer(303).happen());
                        outer.poll(|| inner.poll(|| poll.iter().for_each(|event| event.happen())));
                    }
                    for seen in [outer.seen.followed, inner.seen.followed] {
                        assert_eq!(seen, is_followed(&events), "{polls:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn g14_a_request_around_others_sees_what_all_of_them_see() {
        let (mut outer, mut first, mut second) = (
            Followed::watch_policy(),
            Followed::watch_policy(),
            Followed::watch_policy(),
        );
        outer.poll(|| {
            first.poll(|| answer("https://a.example/", 303));
            let poll = || second.poll(|| -> () { panic!("expected") });
            catch_unwind(AssertUnwindSafe(poll)).unwrap_err();
            second.poll(|| answer("https://a.example/", 401));
        });
        assert!(outer.seen.followed);
        assert!(!first.seen.followed && !second.seen.followed);
        // The thread is as before.
        assert_eq!(SEEN.get(), Seen::NOTHING.then(outer.seen));
        assert_eq!(WANTED.get(), 0);
    }

    #[test]
    fn an_answer_is_kept_for_each_request_that_wants_it_and_only_during_its_poll() {
        let wants = || Followed::watch(&Method::POST, Redirects::Unknown);
        let uri = |followed: &Followed| {
            followed
                .answer
                .as_ref()
                .map(|answer| answer.uri.to_string())
        };
        let (mut outer, mut inner, mut other, mut idle) =
            (wants(), wants(), Followed::watch_policy(), wants());
        outer.poll(|| {
            inner.poll(|| answer("https://a.example/", 401));
            other.poll(|| answer("https://b.example/", 401));
            // Sees no answer, so it gets none of another request.
            idle.poll(|| ());
        });
        assert_eq!(uri(&inner).as_deref(), Some("https://a.example/"));
        assert_eq!(uri(&outer).as_deref(), Some("https://b.example/"));
        assert_eq!((uri(&other), uri(&idle)), (None, None));
        // A URI may contain a secret.
        assert!(LATEST.with_borrow(Option::is_none));
        answer("https://c.example/", 401);
        assert!(LATEST.with_borrow(Option::is_none));
    }

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
