//! Tells who polls a reqwest client that the client followed a redirect.
//!
//! A [`redirect::Policy`](reqwest::redirect::Policy) is shared by all requests of a client and does
//! not know for which request it decides. But reqwest asks the policy while the request's future is
//! polled, on the same thread. So a note that the policy leaves on the thread is about the request
//! that is polled at that time.

use std::cell::Cell;

use reqwest::Url;

thread_local! {
    static FOLLOWED: Cell<bool> = const { Cell::new(false) };
}

/// Notes that a redirect may be followed now.
pub(crate) fn note() {
    // A thread that ends polls no requests.
    _ = FOLLOWED.try_with(|followed| followed.set(true));
}

/// What is known about the redirects of one request.
#[derive(Debug)]
pub(crate) struct Followed {
    sent_to: Option<Url>,
    noted: bool,
}

impl Followed {
    /// Starts to watch a request to this URL.
    pub(crate) fn watch(url: &Url) -> Self {
        let mut url = url.clone();
        // A response's URL has none.
        url.set_fragment(None);
        Self {
            sent_to: Some(url),
            noted: false,
        }
    }

    /// Polls the request, and remembers what the policy notes meanwhile.
    pub(crate) fn poll<T>(&mut self, poll: impl FnOnce() -> T) -> T {
        let outer = FOLLOWED.replace(false);
        let result = poll();
        self.noted |= FOLLOWED.replace(outer);
        result
    }

    /// Tells whether a response answers another request than the one that was sent. Clients whose
    /// policy is not ours note nothing: for them the URL is compared.
    pub(crate) fn answered(&self, url: &Url) -> bool {
        self.noted || self.sent_to.as_ref().is_some_and(|sent_to| sent_to != url)
    }
}
