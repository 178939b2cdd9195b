use auth_core::Error;
use reqwest::{Client, ClientBuilder, redirect};

/// Starts a reqwest client for API calls that carry credentials: [`same_origin_redirects`], no
/// `Referer`, no proxies from the environment.
///
/// A proxy of one's own choice is set with reqwest's `proxy`. [`ReqwestService::new`] is made of
/// this; take it to add settings, or to use the client without tower.
///
/// [`ReqwestService::new`]: crate::ReqwestService::new
///
/// # Example
///
/// ```no_run
/// use std::time::Duration;
///
/// use auth_reqwest::{ReqwestService, client_builder};
///
/// let builder = client_builder().timeout(Duration::from_secs(30)).user_agent("example/1.0");
/// let http = ReqwestService::from_builder(builder)?;
/// # Ok::<(), auth_core::Error>(())
/// ```
pub fn client_builder() -> ClientBuilder {
    ClientBuilder::new()
        .redirect(same_origin_redirects())
        .referer(false)
        .no_proxy()
}

/// Makes a redirect policy that follows up to ten redirects within one origin (scheme, host and
/// effective port) and returns any other to the caller as the 3xx response that it is.
///
/// A client takes all headers of a request along when it follows a redirect. To another origin
/// reqwest leaves `Authorization` and `Cookie` out, but not what a vendor calls its credential:
/// `appId`, `clientSecret`, `X-Api-Key`. So none is followed there, from `https` to `http` least of
/// all, nor one whose URL has user information in it. An eleventh redirect is an error, as with
/// reqwest's own default.
///
/// Who wants redirects to other origins followed puts a follower such as `tower_http`'s above
/// `AuthLayer`, which signs each hop, or does not, by where it goes.
///
/// # Example
///
/// ```
/// use auth_reqwest::same_origin_redirects;
///
/// let builder = reqwest::Client::builder()
///     .redirect(same_origin_redirects())
///     .referer(false);
/// ```
///
/// # Security
///
/// Set `referer(false)` beside it: reqwest's `Referer` repeats the whole URL, query included.
#[must_use]
pub fn same_origin_redirects() -> redirect::Policy {
    let limited = redirect::Policy::limited(MAX_REDIRECTS);
    redirect::Policy::custom(move |attempt| {
        let next = attempt.url();
        let plain = next.username().is_empty() && next.password().is_none();
        // The first is where the request was signed for.
        let signed_for = attempt.previous().first();
        let stays = signed_for.is_some_and(|first| first.origin() == next.origin());
        if plain && stays {
            limited.redirect(attempt)
        } else {
            attempt.stop()
        }
    })
}

/// Makes the client, or says why there is none.
pub(crate) fn build(client: ClientBuilder) -> Result<Client, Error> {
    client.build().map_err(|error| {
        Error::config("client", "reqwest cannot make a client of it").with_source(error)
    })
}

/// As many as reqwest itself follows.
const MAX_REDIRECTS: usize = 10;
