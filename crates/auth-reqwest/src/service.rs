use std::{
    fmt,
    future::Future,
    mem,
    pin::Pin,
    task::{Context, Poll, ready},
};

use auth_core::Error;
use http::{Method, Request, Response, Uri, request::Parts};
use pin_project_lite::pin_project;
use reqwest::{
    Client, ClientBuilder, ResponseBuilderExt, Url,
    redirect::{self, Policy},
};
use tower_service::Service;

use crate::{
    body::{self, RequestBody},
    client::{build, client_builder, within_origin},
    followed::{Followed, Redirects, Target},
};

/// A reqwest client as a tower service, for the bottom of a stack with `AuthLayer`.
///
/// The service takes requests of the `http` crate, with any body that reqwest can wrap. It follows
/// redirects within one origin only ([`within_origin`]), so that the headers of `AuthLayer` are
/// sent to no other origin. A redirect to another origin is returned as the response. A follower
/// above `AuthLayer` can follow it.
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
/// # Requests and responses of reqwest
///
/// Requests and responses of reqwest can be converted, so that its builders and `json()` work at
/// both ends of the stack. A converted response keeps its URL.
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
/// A response to a request after a redirect is marked with [`auth_core::Redirected`]. If such a
/// response is a refusal (401), `AuthLayer` renews the token and does not send a POST again,
/// because a POST that was answered with a redirect may have been carried out. [`new`](Self::new)
/// and [`from_builder`](Self::from_builder) make clients whose redirects are all detected. For a
/// finished client see [`danger_from_client`](Self::danger_from_client).
///
/// # Bodies
///
/// On a redirect with status 307 or 308, a `Full<Bytes>` or a `reqwest::Body` made of bytes is sent
/// again. Any other body cannot be sent again, and the redirect is returned as the response.
/// `AuthLayer` replays requests with a `Full<Bytes>`. For other bodies see its `replay_with`.
///
/// # Errors
///
/// The errors of reqwest. They name the origin of the URL, but neither path nor query. A URI
/// without scheme and host is an error, and nothing is sent.
///
/// # Clone and readiness
///
/// Clones share the client and its connections. The service is always ready, because reqwest has no
/// limit on concurrent requests; put a limit layer above it if you need one. Calls need a tokio
/// runtime with I/O and time enabled.
///
/// # Cancel safety
///
/// Dropping the future or the response's body cancels the request: over HTTP/1 its connection is
/// closed, over HTTP/2 its stream.
#[derive(Clone)]
pub struct ReqwestService {
    client: Client,
    redirects: Redirects,
}

impl ReqwestService {
    /// Makes a service with a new client that has the settings of [`client_builder`]. The client
    /// follows up to 10 redirects within one origin.
    ///
    /// # Errors
    ///
    /// Same as [`from_builder`](Self::from_builder).
    pub fn new() -> Result<Self, Error> {
        Self::from_builder(client_builder(), Policy::limited(10))
    }

    /// Makes a service with a client that has these settings. Start with [`client_builder`].
    ///
    /// `redirects` replaces the builder's redirect policy, which this crate cannot read. It decides
    /// about redirects within the origin of a request. A redirect to another origin is always the
    /// response ([`within_origin`]):
    ///
    /// | `redirects` | within the origin | to another origin |
    /// |---|---|---|
    /// | `Policy::none()` | the response | the response |
    /// | `Policy::limited(3)` | 3 are followed, a fourth is an error | the response |
    /// | `Policy::custom(...)` | as the policy decides | the response |
    ///
    /// This function also sets `referer(false)` and `connection_verbose(false)`: a `Referer` would
    /// send the URL of a request to the target of a redirect, and the verbose mode would write the
    /// traffic into the log.
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
    /// with these settings. With rustls this also happens if the operating system has no root
    /// certificates.
    ///
    /// # Security
    ///
    /// A plain `reqwest::Client::builder()` uses the proxies of the environment. A proxy sees only
    /// the host of an `https` request, but the whole of a request to `http://127.0.0.1`.
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

    /// Makes a service with a finished client, for API calls that must share the client with other
    /// code.
    ///
    /// # Security
    ///
    /// The settings of a finished client cannot be read. The application is responsible for two of
    /// them: `referer(false)`, and a redirect policy that is `Policy::none()` or made by
    /// [`within_origin`]. With any other policy:
    ///
    /// - A redirect to another origin carries every header except `Authorization` and `Cookie` with
    ///   it, and no layer above can prevent that.
    /// - A followed redirect is detected only if the URL changed, so not after a POST to `/orders`
    ///   with a 303 back to `/orders`.
    /// - With `https_only(true)`, the source of an error may quote a redirect's target.
    ///
    /// A refused POST or PATCH is therefore not sent again, unless the application states that the
    /// client follows no redirects
    /// ([`danger_client_follows_no_redirects`](Self::danger_client_follows_no_redirects)), or
    /// [`client_builder`] made the client. The refusal is then the response, with
    /// `NotReplayed::RedirectsUnseen` in its `AuthOutcome`, and the token is renewed in the
    /// background. The same applies to every method that is not idempotent (RFC 9110 section
    /// 9.2.2). GET, PUT and DELETE are sent again.
    #[must_use]
    pub const fn danger_from_client(client: Client) -> Self {
        Self {
            client,
            redirects: Redirects::Unknown,
        }
    }

    /// States that the client of [`danger_from_client`](Self::danger_from_client) follows no
    /// redirects (`redirect(Policy::none())`), so that a refused POST or PATCH is sent again with a
    /// new token. Default: not stated.
    ///
    /// Also correct for a client with a policy of [`within_origin`], because such a policy reports
    /// the redirects that were followed.
    ///
    /// # Security
    ///
    /// If the statement is wrong, a request may be carried out twice, for example an order: a POST
    /// that was carried out and answered with a 303 to the same URL is sent again when the request
    /// after the redirect is refused.
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

    /// Returns the client, and drops the service.
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
                followed: Followed::watch(request.method(), self.redirects),
                method: request.method().clone(),
                uri,
                call: self.client.call(request),
            },
            Err(error) => State::Failed { error: Some(error) },
        };
        ReqwestFuture { state }
    }
}

impl fmt::Debug for ReqwestService {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The client's own `Debug` would show default headers.
        f.debug_struct("ReqwestService").finish_non_exhaustive()
    }
}

pin_project! {
    /// The future of a [`ReqwestService`]: the response, or an error of reqwest.
    #[must_use = "futures do nothing unless awaited"]
    pub struct ReqwestFuture {
        #[pin]
        state: State,
    }
}

pin_project! {
    #[project = StateProj]
    enum State {
        // The request is sent, or being sent.
        Calling {
            #[pin]
            call: <Client as Service<reqwest::Request>>::Future,
            followed: Followed,
            method: Method,
            uri: Uri,
        },
        // The request could not be converted.
        Failed { error: Option<reqwest::Error> },
    }
}

impl Future for ReqwestFuture {
    type Output = Result<Response<reqwest::Body>, reqwest::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = match self.project().state.project() {
            StateProj::Calling {
                call,
                followed,
                method,
                uri,
            } => {
                let result = ready!(followed.poll(|| call.poll(cx)));
                result.map(|mut response| {
                    followed.mark(&mut response, method, Target::Uri(uri));
                    with_url(response)
                })
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

/// Same as reqwest's conversion, but without writing the URI through `Display`. Also returns the
/// URI.
#[inline]
fn converted(head: Parts, body: reqwest::Body) -> Result<(reqwest::Request, Uri), reqwest::Error> {
    // Only reqwest can convert extensions, such as a time-out.
    let is_bare = head.extensions.is_empty();
    let Some(url) = is_bare.then(|| url_of(&head.uri)).flatten() else {
        // Only reqwest can make the error.
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

/// Converts a response, and keeps its URL for a conversion back.
fn with_url(response: reqwest::Response) -> Response<reqwest::Body> {
    let url = response.url().clone();
    let mut response = Response::from(response);
    // Reqwest looks for the URL in an extension that only its builder can make. The extensions of
    // the response itself are reused, because the client has already allocated them.
    let mut builder = Response::builder();
    if let Some(extensions) = builder.extensions_mut() {
        mem::swap(extensions, response.extensions_mut());
    }
    if let Ok(with_url) = builder.url(url).body(()) {
        *response.extensions_mut() = with_url.into_parts().0.extensions;
    }
    response
}

/// Reduces an error's URL to its origin. The rest of the URL may be a secret.
fn with_origin_only(mut error: reqwest::Error) -> reqwest::Error {
    let Some(url) = error.url_mut() else {
        return error;
    };
    url.set_path("");
    url.set_query(None);
    url.set_fragment(None);
    let named = url.set_password(None).and_then(|()| url.set_username(""));
    // Fails only for a URL without a host, which then contains nothing to hide.
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
    fn a_uri_is_converted_to_the_same_url_as_by_reqwest() {
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
            // A URI without a scheme is left to reqwest.
            let left = converted.is_none() && uri.scheme().is_none();
            assert!(left || converted == reqwests, "{uri}: {converted:?}");
        }
    }
}
