use std::{error::Error as StdError, iter};

use auth_core::Error;
use reqwest::{Client, ClientBuilder, redirect};

use crate::followed;
#[cfg(feature = "middleware")]
use crate::observe;

/// Makes a builder of a reqwest client for API calls with credentials: redirects are followed
/// within one origin only ([`same_origin_redirects`]), no `Referer` is sent, and the proxies of the
/// environment are ignored.
///
/// With the feature `middleware`, the client also tells `AuthMiddleware` which request of a chain
/// of redirects was answered, with any redirect policy that is set later. To do so, this function
/// sets reqwest's `retry` to a policy that retries the same requests as reqwest's default: HTTP/2
/// requests that the server did not process. A `retry` that is set later replaces this policy.
/// `AuthMiddleware` then sends no refused POST or PATCH again, because it cannot know whether the
/// client followed a redirect.
///
/// Use it for [`AuthMiddleware`](crate#where-to-find-what) and for clients without tower. To use a
/// proxy, set reqwest's `proxy`. [`ReqwestService::new`] uses this builder.
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
/// effective port). A redirect to another origin is not followed: the 3xx response is returned. An
/// eleventh redirect is an error, as with reqwest's own default.
///
/// Equal to `within_origin(Policy::limited(10))`, see [`within_origin`].
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
/// Also set `referer(false)`, because reqwest's `Referer` contains the whole URL with its query.
#[must_use]
pub fn same_origin_redirects() -> redirect::Policy {
    within_origin(redirect::Policy::limited(MAX_REDIRECTS))
}

/// Restricts a redirect policy to one origin (scheme, host and effective port).
///
/// `policy` decides about redirects to the origin of the first request. A redirect to another
/// origin, from `https` to `http`, or to a URL with user information (`user@host`) is never
/// followed: the 3xx response is returned.
///
/// When a client follows a redirect, it sends all headers of the request again. On a redirect to
/// another origin, reqwest removes `Authorization` and `Cookie`, but not a vendor's own header with
/// a credential, for example `appId`, `clientSecret` or `X-Api-Key`. To follow redirects to other
/// origins, put a follower such as `tower_http`'s `FollowRedirect` above `AuthLayer`. `AuthLayer`
/// then signs each hop by its own destination.
///
/// # Followed redirects and refused tokens
///
/// A client with this policy reports followed redirects to
/// [`ReqwestService`](crate::ReqwestService) and `AuthMiddleware`, which mark the response with
/// [`auth_core::Redirected`]. If the API refused the request after the redirect, `AuthLayer` does
/// not send a POST again, because the POST may have been carried out.
///
/// A finished client does not reveal its policy. Clients that
/// [`ReqwestService::from_builder`](crate::ReqwestService::from_builder) or [`client_builder`] made
/// are known to report redirects. For other clients see
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
        // The first URL is the one for which the request was signed.
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

/// Makes the client, or an error that names reqwest's cause.
pub(crate) fn build(client: ClientBuilder) -> Result<Client, Error> {
    client.build().map_err(|error| {
        let cause = iter::successors(Some(&error as &dyn StdError), |&error| error.source()).last();
        let cause = cause.map_or_else(String::new, ToString::to_string);
        let problem = format!("reqwest cannot make a client with these settings: {cause}");
        Error::config("client", problem).with_source(error)
    })
}

/// The limit of reqwest's own default.
const MAX_REDIRECTS: usize = 10;
