use std::{error::Error as StdError, iter};

use auth_core::Error;
use reqwest::{Client, ClientBuilder, redirect};

use crate::followed;
#[cfg(feature = "middleware")]
use crate::observe;

/// Starts a reqwest client for API calls that carry credentials: redirects are followed within one
/// origin only ([`same_origin_redirects`]), no `Referer` is sent, and no proxy is taken from the
/// environment.
///
/// With the feature `middleware`, the client also tells `AuthMiddleware` which request of a chain
/// of redirects was answered, whatever redirect policy is set later. For that, reqwest's `retry` is
/// set to a policy that retries what reqwest retries by default: HTTP/2 requests that the server
/// refused to process. A `retry` that is set later replaces this policy. Then `AuthMiddleware`
/// sends no refused POST or PATCH again, because it cannot tell whether the client followed a
/// redirect.
///
/// Use it for [`AuthMiddleware`](crate#what-is-where) and for clients without tower. To use a
/// proxy, set reqwest's `proxy`. [`ReqwestService::new`] starts with this builder.
///
/// [`ReqwestService::new`]: crate::ReqwestService::new
///
/// # Example
///
/// ```no_run
/// use std::time::Duration;
///
/// use auth_reqwest::client_builder;
///
/// let client = client_builder().timeout(Duration::from_secs(30)).user_agent("example/1.0").build()?;
/// # Ok::<(), reqwest::Error>(())
/// ```
pub fn client_builder() -> ClientBuilder {
    let builder = ClientBuilder::new()
        .redirect(same_origin_redirects())
        .referer(false)
        .no_proxy();
    #[cfg(feature = "middleware")]
    let builder = builder.retry(observe::retries());
    builder
}

/// Makes a redirect policy that follows up to 10 redirects within one origin (scheme, host and
/// effective port). Every other redirect is returned as the 3xx response that it is. An eleventh
/// redirect is an error, as with reqwest's own default.
///
/// The same as `within_origin(Policy::limited(10))`; see [`within_origin`].
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
    within_origin(redirect::Policy::limited(MAX_REDIRECTS))
}

/// Restricts a redirect policy to one origin (scheme, host and effective port).
///
/// `policy` decides about redirects to the origin of the first request. A redirect to another
/// origin, from `https` to `http`, or to a URL with user information is not followed, whatever
/// `policy` says: the 3xx response is returned. So the result follows at most what `policy`
/// follows.
///
/// A client sends all headers of a request again when it follows a redirect. On the way to another
/// origin reqwest removes `Authorization` and `Cookie`, but no header of a vendor's own that holds
/// a credential: `appId`, `clientSecret`, `X-Api-Key`. To follow redirects to other origins, put a
/// follower such as `tower_http`'s above `AuthLayer`. `AuthLayer` then signs each hop by its own
/// destination.
///
/// # Followed redirects and refused tokens
///
/// A client with this policy tells [`ReqwestService`](crate::ReqwestService) and `AuthMiddleware`
/// that it followed a redirect, and they mark the response with [`auth_core::Redirected`].
/// `AuthLayer` does not send a POST again when the request after the redirect was refused: the POST
/// may have been carried out.
///
/// They cannot tell which policy a finished client has. A client that
/// [`ReqwestService::from_builder`](crate::ReqwestService::from_builder) or [`client_builder`] made
/// is known to tell. For any other client, see
/// [`ReqwestService::danger_from_client`](crate::ReqwestService::danger_from_client).
///
/// # Example
///
/// ```
/// use auth_reqwest::within_origin;
/// use reqwest::redirect::Policy;
///
/// let builder = reqwest::Client::builder()
///     .redirect(within_origin(Policy::limited(3)))
///     .referer(false);
/// ```
#[must_use]
pub fn within_origin(policy: redirect::Policy) -> redirect::Policy {
    redirect::Policy::custom(move |attempt| {
        let next = attempt.url();
        let plain = next.username().is_empty() && next.password().is_none();
        // The first is where the request was signed for.
        let signed_for = attempt.previous().first();
        let stays = signed_for.is_some_and(|first| first.origin() == next.origin());
        if plain && stays {
            followed::note_redirect();
            policy.redirect(attempt)
        } else {
            attempt.stop()
        }
    })
}

/// Makes the client, or says why there is none.
pub(crate) fn build(client: ClientBuilder) -> Result<Client, Error> {
    client.build().map_err(|error| {
        let cause = iter::successors(Some(&error as &dyn StdError), |&error| error.source()).last();
        let cause = cause.map_or_else(String::new, ToString::to_string);
        let problem = format!("reqwest cannot make a client of these settings: {cause}");
        Error::config("client", problem).with_source(error)
    })
}

/// As many as reqwest itself follows.
const MAX_REDIRECTS: usize = 10;
