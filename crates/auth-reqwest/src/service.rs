use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use auth_core::Error;
use http::{Request, Response, Uri, request::Parts};
use pin_project_lite::pin_project;
use reqwest::{
    Client, ClientBuilder, ResponseBuilderExt, Url,
    redirect::{self, Policy},
};
use tower_service::Service;

use crate::{
    body::{self, RequestBody},
    client::{build, client_builder, within_origin},
    followed::{Followed, Redirects},
};

/// A reqwest client as a tower service, for the bottom of a stack with `AuthLayer`.
///
/// It takes requests of the `http` crate with any body that reqwest can wrap. Redirects are
/// followed within one origin only ([`within_origin`]), so the headers that `AuthLayer` put on a
/// request are sent nowhere else. A redirect to another origin is the response; a follower above
/// `AuthLayer` can follow it.
///
/// For token requests use [`ReqwestTransport`](crate::ReqwestTransport), which is stricter.
///
/// # Example
///
/// ```no_run
/// use auth_core::Authenticator;
/// use auth_reqwest::ReqwestService;
/// use auth_tower::AuthLayer;
/// use bytes::Bytes;
/// use http::Request;
/// use http_body_util::Full;
/// use tower::{ServiceBuilder, ServiceExt};
///
/// # async fn run(authenticator: Authenticator) -> Result<(), Box<dyn std::error::Error>> {
/// let client = ServiceBuilder::new()
///     .layer(AuthLayer::new(authenticator))
///     .service(ReqwestService::new()?);
///
/// let request = Request::get("https://api.example.com/v1/things").body(Full::<Bytes>::default())?;
/// let response = client.oneshot(request).await?;
/// println!("{}", response.status());
/// # Ok(())
/// # }
/// ```
///
/// # Requests and responses of reqwest's own
///
/// Both convert, so that its builders and `json()` can be used at either end of the stack. A
/// response keeps the URL that it came from.
///
/// ```no_run
/// # use auth_core::Authenticator;
/// # use auth_reqwest::ReqwestService;
/// # use auth_tower::AuthLayer;
/// # use tower::{Layer, ServiceExt};
/// use bytes::Bytes;
///
/// # async fn run(authenticator: Authenticator) -> Result<(), Box<dyn std::error::Error>> {
/// let http = ReqwestService::new()?;
/// let request = http.get_ref().post("https://api.example.com/v1/things").body("a thing").build()?;
///
/// // `reqwest::Body` cannot be cloned from outside: keep its bytes for a second send.
/// let again = |body: &reqwest::Body| Some(Bytes::copy_from_slice(body.as_bytes()?).into());
/// let client = AuthLayer::new(authenticator).replay_with(again).layer(http);
/// let response = client.oneshot(http::Request::try_from(request)?).await?;
/// let response = reqwest::Response::from(response);
/// println!("{} from {}", response.status(), response.url());
/// # Ok(())
/// # }
/// ```
///
/// # Redirects and refused tokens
///
/// A response that answers a followed redirect is marked with [`auth_core::Redirected`]. If such a
/// response is a refusal (401), `AuthLayer` renews the token, and sends no POST again: the POST was
/// answered with a redirect, so it may have been carried out. [`new`](Self::new) and
/// [`from_builder`](Self::from_builder) make clients whose redirects are all noticed. For a
/// finished client, see [`danger_from_client`](Self::danger_from_client).
///
/// # Bodies
///
/// A `Full<Bytes>` and a `reqwest::Body` made of bytes are sent again when a redirect of status 307
/// or 308 asks for it. Other bodies cannot be sent again: such a redirect is then the response.
/// `AuthLayer` replays `Full<Bytes>`; for other bodies see its `replay_with`.
///
/// # Errors
///
/// Reqwest's errors, which name the origin of the URL and neither path nor query. A URI without
/// scheme and host is an error, and nothing is sent.
///
/// # Clone and readiness
///
/// Clones share the client and its connections. It is always ready, which promises nothing: reqwest
/// has no limit of its own, so put one above if you need it. Calls need a tokio runtime with I/O
/// and time.
///
/// # Cancel safety
///
/// Dropping the future or the response's body ends the request; over HTTP/1 its connection is
/// closed, over HTTP/2 the stream.
#[derive(Clone)]
pub struct ReqwestService {
    client: Client,
    redirects: Redirects,
}

impl ReqwestService {
    /// Makes a service over a client of its own with the settings of [`client_builder`]. It follows
    /// up to 10 redirects within one origin.
    ///
    /// # Errors
    ///
    /// As [`from_builder`](Self::from_builder).
    pub fn new() -> Result<Self, Error> {
        Self::from_builder(client_builder(), Policy::limited(10))
    }

    /// Makes a service over a client with these settings; start with [`client_builder`].
    ///
    /// `redirects` replaces the redirect policy of the builder, which cannot be read back. It
    /// decides about redirects within the origin of a request. Every other redirect is the response
    /// ([`within_origin`]):
    ///
    /// | `redirects` | within the origin | to another origin |
    /// |---|---|---|
    /// | `Policy::none()` | the response | the response |
    /// | `Policy::limited(3)` | 3 are followed, a fourth is an error | the response |
    /// | `Policy::custom(...)` | as it says | the response |
    ///
    /// `referer(false)` and `connection_verbose(false)` are set here whatever the builder says: the
    /// first would send the URL of a request to the target of a redirect, the second would write
    /// the traffic into the log.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use std::time::Duration;
    ///
    /// use auth_reqwest::{ReqwestService, client_builder};
    /// use reqwest::redirect::Policy;
    ///
    /// let builder = client_builder().timeout(Duration::from_secs(30));
    /// let http = ReqwestService::from_builder(builder, Policy::none())?;
    /// # Ok::<(), auth_core::Error>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config) on field `client` if reqwest cannot make a client
    /// with these settings; with rustls also if the operating system has no root certificates.
    ///
    /// # Security
    ///
    /// A plain `reqwest::Client::builder()` takes proxies from the environment. They see only the
    /// host of an `https` request, but the whole of a request to `http://127.0.0.1`.
    pub fn from_builder(
        builder: ClientBuilder,
        redirects: redirect::Policy,
    ) -> Result<Self, Error> {
        let builder = builder
            .redirect(within_origin(redirects))
            .referer(false)
            .connection_verbose(false);
        Ok(Self {
            client: build(builder)?,
            redirects: Redirects::Seen,
        })
    }

    /// Takes a finished client, for API calls that must share it with something else.
    ///
    /// # Security
    ///
    /// A finished client does not tell how it was set up, so its owner is responsible for two
    /// settings: `referer(false)`, and a redirect policy that is `Policy::none()` or made by
    /// [`within_origin`]. With any other policy:
    ///
    /// - A redirect to another origin takes every header but `Authorization` and `Cookie` along,
    ///   and no layer above can prevent that.
    /// - A followed redirect is noticed only if the URL changed, and not after a POST to `/orders`
    ///   with a 303 back to `/orders`.
    /// - With `https_only(true)`, the source of an error may quote a redirect's target.
    ///
    /// A refused POST or PATCH is therefore not sent again, unless the application states that the
    /// client follows no redirects
    /// ([`danger_client_follows_no_redirects`](Self::danger_client_follows_no_redirects)) or the
    /// client tells by itself. The refusal is the response, with `NotReplayed::RedirectsUnseen` in
    /// its `AuthOutcome`, and the token is renewed in the background. The same holds for every
    /// method that RFC 9110 section 9.2.2 does not call idempotent; GET, PUT and DELETE are sent
    /// again.
    #[must_use]
    pub const fn danger_from_client(client: Client) -> Self {
        Self {
            client,
            redirects: Redirects::Unknown,
        }
    }

    /// States that the client of [`danger_from_client`](Self::danger_from_client) follows no
    /// redirects (`redirect(Policy::none())`), so that a refused POST or PATCH is sent again with a
    /// new token.
    ///
    /// Also right for a client whose policy was made by [`within_origin`], because such a policy
    /// tells which redirects were followed.
    ///
    /// # Security
    ///
    /// If the statement is wrong, an order may be placed twice: a POST that was carried out and
    /// answered with a 303 to the same URL is sent again when the request after the redirect is
    /// refused.
    #[must_use]
    pub const fn danger_client_follows_no_redirects(mut self) -> Self {
        self.redirects = Redirects::Seen;
        self
    }

    /// Returns the client.
    #[must_use]
    pub const fn get_ref(&self) -> &Client {
        &self.client
    }

    /// Takes the client out.
    #[must_use]
    pub fn into_inner(self) -> Client {
        self.client
    }
}

impl<B: RequestBody> Service<Request<B>> for ReqwestService {
    type Response = Response<reqwest::Body>;
    type Error = reqwest::Error;
    type Future = ReqwestFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), reqwest::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ReqwestFuture {
        let (head, body) = request.into_parts();
        let state = match converted(head, body::wrap(body)) {
            Ok((request, uri)) => State::Calling {
                followed: Followed::watch(request.method().clone(), uri, self.redirects),
                call: self.client.call(request),
            },
            Err(error) => State::Failed { error: Some(error) },
        };
        ReqwestFuture { state }
    }
}

impl fmt::Debug for ReqwestService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The client's own would show default headers.
        f.debug_struct("ReqwestService").finish_non_exhaustive()
    }
}

pin_project! {
    /// The response of a [`ReqwestService`] on its way.
    #[must_use = "futures do nothing unless awaited"]
    pub struct ReqwestFuture {
        #[pin]
        state: State,
    }
}

pin_project! {
    #[project = StateProj]
    enum State {
        // The request is out.
        Calling {
            #[pin]
            call: <Client as Service<reqwest::Request>>::Future,
            followed: Followed,
        },
        // It was none that could be sent.
        Failed { error: Option<reqwest::Error> },
    }
}

impl Future for ReqwestFuture {
    type Output = Result<Response<reqwest::Body>, reqwest::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = match self.project().state.project() {
            StateProj::Calling { call, followed } => {
                let result = ready!(followed.poll(|| call.poll(cx)));
                result.map(|response| marked(response, followed))
            }
            StateProj::Failed { error } => Err(error.take().expect("polled after it was ready")),
        };
        Poll::Ready(result.map_err(with_origin_only))
    }
}

impl fmt::Debug for ReqwestFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestFuture").finish_non_exhaustive()
    }
}

/// As reqwest's own conversion, which writes the URI by way of `Display`. Returns the URI, too.
#[inline]
fn converted(head: Parts, body: reqwest::Body) -> Result<(reqwest::Request, Uri), reqwest::Error> {
    // Only reqwest can hand extensions over, such as a time-out.
    let is_bare = head.extensions.is_empty();
    let Some(url) = is_bare.then(|| url_of(&head.uri)).flatten() else {
        // The error, too, only reqwest can make.
        let uri = head.uri.clone();
        let request = reqwest::Request::try_from(Request::from_parts(head, body))?;
        return Ok((request, uri));
    };
    let mut request = reqwest::Request::new(head.method, url);
    *request.version_mut() = head.version;
    *request.headers_mut() = head.headers;
    *request.body_mut() = Some(body);
    Ok((request, head.uri))
}

fn url_of(uri: &Uri) -> Option<Url> {
    let (scheme, authority) = (uri.scheme_str()?, uri.authority()?.as_str());
    let (path, query) = (uri.path(), uri.query());
    let punctuation = "://?".len();
    let length = scheme.len() + authority.len() + path.len() + query.map_or(0, str::len);
    let mut text = String::with_capacity(length + punctuation);
    for part in [scheme, "://", authority, path] {
        text.push_str(part);
    }
    if let Some(query) = query {
        text.push('?');
        text.push_str(query);
    }
    Url::parse(&text).ok()
}

/// Marks a response, and keeps its URL for a conversion back.
fn marked(mut response: reqwest::Response, followed: &Followed) -> Response<reqwest::Body> {
    followed.mark(&mut response);
    let url = response.url().clone();
    let mut response = Response::from(response);
    // Reqwest looks for the URL where only its builder can put it. In the response's own map, which
    // the client has made.
    let mut builder = Response::builder();
    if let Some(extensions) = builder.extensions_mut() {
        mem::swap(extensions, response.extensions_mut());
    }
    if let Ok(with_url) = builder.url(url).body(()) {
        *response.extensions_mut() = with_url.into_parts().0.extensions;
    }
    response
}

/// Keeps the origin of an error's URL; the rest of the URL may be a secret.
fn with_origin_only(mut error: reqwest::Error) -> reqwest::Error {
    let Some(url) = error.url_mut() else {
        return error;
    };
    url.set_path("");
    url.set_query(None);
    url.set_fragment(None);
    let named = url.set_password(None).and_then(|()| url.set_username(""));
    // Only a URL without a host refuses, and that one tells nothing.
    if named.is_ok() {
        error
    } else {
        error.without_url()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uri_becomes_the_url_that_reqwest_would_make_of_it() {
        for uri in [
            "https://api.example.com",
            "https://api.example.com/",
            "https://api.example.com?a",
            "https://api.example.com/?",
            "https://api.example.com/a/b?c=d&e",
            "https://api.example.com/a/../b//c",
            "https://api.example.com/a?b?c",
            "https://API.example.com:443/a",
            "http://api.example.com:443/a",
            "http://user:fake-secret@[::1]:8080/a",
            "http://api.example.com:99999/a",
            "/a?b",
            "*",
            "api.example.com:443",
        ] {
            let uri: Uri = uri.parse().unwrap();
            let request = Request::get(uri.clone()).body(reqwest::Body::default());
            let reqwests = reqwest::Request::try_from(request.unwrap()).ok();
            let reqwests = reqwests.map(|request| request.url().clone());
            let converted = url_of(&uri);
            // What has no scheme is left to reqwest.
            let left = converted.is_none() && uri.scheme().is_none();
            assert!(left || converted == reqwests, "{uri}: {converted:?}");
        }
    }
}
