use std::{
    error::Error as StdError,
    fmt,
    future::Future,
    pin::Pin,
    task::{Context, Poll, ready},
};

use auth_core::Error;
use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use pin_project_lite::pin_project;
use reqwest::{Client, ClientBuilder, ResponseBuilderExt};
use tower_service::Service;

use crate::{
    body,
    client::{build, client_builder, same_origin_redirects},
};

/// A reqwest client as a tower service, for the bottom of a stack with `AuthLayer`.
///
/// It takes requests of the `http` crate with any body that reqwest can wrap, and follows redirects
/// within one origin only ([`same_origin_redirects`]): the headers that `AuthLayer` put on a request
/// go nowhere else. A redirect to another origin is the response; a follower above `AuthLayer` can
/// take it from there.
///
/// For token calls there is [`ReqwestTransport`](crate::ReqwestTransport), which is stricter.
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
/// Both convert, so that its builders and `json()` can be used at either end of the stack. A response
/// keeps the URL that it came from.
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
/// # Bodies
///
/// `Full<Bytes>`, and a `reqwest::Body` made of bytes, are sent again when a redirect of status 307
/// or 308 asks for it. Other bodies cannot be: then that redirect is the response. `AuthLayer`
/// replays `Full<Bytes>` by itself; for others see its `replay_with`.
///
/// # Errors
///
/// Those of reqwest, which name the origin and nothing else of the URL, neither path nor query. A
/// URI without scheme and host is an error, and nothing is sent.
///
/// # Clone and readiness
///
/// Clones share the client and its connections. It is always ready, which promises nothing: reqwest
/// has no limit of its own, so put one above if you need it. Calls need a tokio runtime with I/O and
/// time.
///
/// # Cancel safety
///
/// Dropping the future or the response's body ends the request; over HTTP/1 its connection is
/// closed, over HTTP/2 the stream.
#[derive(Clone)]
pub struct ReqwestService {
    client: Client,
}

impl ReqwestService {
    /// Makes a service over a client of its own, with the settings of [`client_builder`].
    ///
    /// # Errors
    ///
    /// As [`from_builder`](Self::from_builder).
    pub fn new() -> Result<Self, Error> {
        Self::from_builder(client_builder())
    }

    /// Makes a service over a client of these settings; start with [`client_builder`].
    ///
    /// Three of them are set here, whatever the builder had, because they decide where headers go:
    /// redirects ([`same_origin_redirects`]), `referer(false)`, and `connection_verbose(false)`,
    /// which would write the traffic into the log.
    ///
    /// # Errors
    ///
    /// [`Config`](auth_core::ErrorKind::Config) on field `client` if reqwest cannot make a client of
    /// these settings; with rustls also if the operating system has no root certificates.
    ///
    /// # Security
    ///
    /// A plain `reqwest::Client::builder()` takes proxies from the environment. For `https` they see
    /// nothing but the host; a request to `http://127.0.0.1` they would get whole.
    pub fn from_builder(builder: ClientBuilder) -> Result<Self, Error> {
        let builder = builder
            .redirect(same_origin_redirects())
            .referer(false)
            .connection_verbose(false);
        Ok(Self {
            client: build(builder)?,
        })
    }

    /// Takes a finished client, for API calls that must share it with something else.
    ///
    /// # Security
    ///
    /// A finished client does not tell how it was set up, so its owner answers for it. The settings
    /// that matter are `redirect(same_origin_redirects())` or `redirect(Policy::none())`, and
    /// `referer(false)`. With reqwest's own default, a redirect to another origin takes every header
    /// but `Authorization` and `Cookie` along, and no layer above can prevent it. With
    /// `https_only(true)` and such a client, an error behind the error may quote the redirect's
    /// target.
    #[must_use]
    pub const fn danger_from_client(client: Client) -> Self {
        Self { client }
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

impl<B> Service<Request<B>> for ReqwestService
where
    B: Body<Data: Into<Bytes>, Error: Into<Box<dyn StdError + Send + Sync>>>,
    B: Send + Sync + 'static,
{
    type Response = Response<reqwest::Body>;
    type Error = reqwest::Error;
    type Future = ReqwestFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), reqwest::Error>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ReqwestFuture {
        let state = match reqwest::Request::try_from(request.map(body::wrap)) {
            Ok(request) => State::Calling {
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
        Calling { #[pin] call: <Client as Service<reqwest::Request>>::Future },
        // It was none that could be sent.
        Failed { error: Option<reqwest::Error> },
    }
}

impl Future for ReqwestFuture {
    type Output = Result<Response<reqwest::Body>, reqwest::Error>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let result = match self.project().state.project() {
            StateProj::Calling { call } => ready!(call.poll(cx)),
            StateProj::Failed { error } => Err(error.take().expect("polled after it was ready")),
        };
        Poll::Ready(result.map(with_url).map_err(with_origin_only))
    }
}

impl fmt::Debug for ReqwestFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ReqwestFuture").finish_non_exhaustive()
    }
}

/// For those who convert it back: reqwest looks for the URL where only its builder can put it.
fn with_url(response: reqwest::Response) -> Response<reqwest::Body> {
    let marked = Response::builder().url(response.url().clone()).body(());
    let mut response = Response::from(response);
    if let Ok(marked) = marked {
        response
            .extensions_mut()
            .extend(marked.into_parts().0.extensions);
    }
    response
}

/// Which host it was helps; the rest of a URL may be a secret.
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
