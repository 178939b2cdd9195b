use std::{
    future::{Future, poll_fn},
    pin::{Pin, pin},
};

use auth_core::{Authenticator, AuthenticatorMap, Key};
use auth_tower::{
    Auth, AuthLayer, Error, KeyedAuth, ReplayCheap, ReplayOff, ReplayWith, SignedInPlace,
};
use http::Extensions;
use reqwest::{Method, Request, Response, Url};
use reqwest_middleware::{Middleware, Next, Result};
use tower_layer::Layer;
use tower_service::Service;

use self::{
    below::{Below, Carried, Slot, Unsigned, drive},
    target::Targets,
};
use crate::followed::{Followed, Redirects, Target};

mod below;
mod target;

/// `AuthLayer` for clients of the crate [reqwest-middleware](https://docs.rs/reqwest-middleware):
/// signs each request, and sends a request once more with a new token if the API refuses the first
/// token.
///
/// The middleware runs [`AuthLayer`] over the rest of the chain, with the same guarantees: the same
/// rules for responses, one token request for all callers, no token to a destination outside the
/// authenticator's [`Origins`](auth_core::Origins), and a credential that the caller set is kept.
/// For tower stacks use [`ReqwestService`](crate::ReqwestService).
///
/// # Example
///
/// ```no_run
/// use auth_core::Authenticator;
/// use auth_reqwest::{AuthMiddleware, client_builder};
/// use auth_tower::AuthOutcome;
/// use reqwest_middleware::ClientBuilder;
///
/// # async fn run(authenticator: Authenticator) -> Result<(), Box<dyn std::error::Error>> {
/// let client = ClientBuilder::new(client_builder().build()?)
///     .with(AuthMiddleware::new(authenticator))
///     .build();
///
/// let response = client.get("https://api.example.com/v1/things").send().await?;
/// let outcome = AuthOutcome::in_extensions(response.extensions());
/// println!("{} after {} sends", response.status(), outcome.sends());
/// # Ok(())
/// # }
/// ```
///
/// # Order
///
/// Add it last, next to the client. Middlewares that were added before it are outside: they do not
/// see tokens, and each attempt of a retrying middleware is signed again. For example:
///
/// ```no_run
/// # use auth_core::Authenticator;
/// # use auth_reqwest::{AuthMiddleware, client_builder};
/// # use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
/// use reqwest_retry::{RetryTransientMiddleware, policies::ExponentialBackoff};
/// use reqwest_tracing::TracingMiddleware;
///
/// # fn build(authenticator: Authenticator) -> Result<ClientWithMiddleware, reqwest::Error> {
/// let retries = ExponentialBackoff::builder().build_with_max_retries(3);
/// let client = ClientBuilder::new(client_builder().build()?)
///     .with(TracingMiddleware::default())
///     .with(RetryTransientMiddleware::new_with_policy(retries))
///     .with(AuthMiddleware::new(authenticator))
///     .build();
/// # Ok(client)
/// # }
/// ```
///
/// # How often a request is sent
///
/// At most twice. With `n` retries of another middleware, outside or inside, at most `2 * (n + 1)`
/// times, for every mix of answers. `reqwest-retry` retries neither a 401 nor an error of this
/// crate: an API that always refuses receives two sends, and an API that is down (503) receives `n
/// + 1`. Two of these middlewares in one chain send twice, not four times.
///
/// # Bodies
///
/// A request is sent again if it has no body, or a body in memory ([`reqwest::Body::as_bytes`]). The
/// second send has the same method, URL, headers, body, HTTP version and time-out. Values in the
/// extensions of a `http::Request` from which the request was converted are not sent again; reqwest
/// does not read them.
///
/// A request with a stream as its body is sent once. If its token is refused, the refusal is the
/// response, and the token is renewed in the background.
///
/// # Redirects
///
/// If the client followed a redirect and the request after the redirect was refused, the request is
/// sent again only if its method is safe (GET, HEAD, OPTIONS, TRACE). A POST that was answered with
/// a redirect may have been carried out. The refusal is then the response, and the token is renewed
/// in the background.
///
/// All redirects are detected if [`client_builder`](crate::client_builder) made the client, with
/// any redirect policy that is set later. With any other client (also `reqwest::Client::new()`),
/// only a redirect to another URL is detected. For example, after a POST to `/orders`, a 303 back
/// to `/orders` and a 401, the 401 looks like the answer to the POST. Therefore, with such a
/// client:
///
/// | refused request | sent again with a new token |
/// |---|---|
/// | GET, HEAD, OPTIONS, TRACE, PUT, DELETE | yes |
/// | POST, PATCH and other methods that are not idempotent (RFC 9110 section 9.2.2) | no, unless [`danger_client_follows_no_redirects`](Self::danger_client_follows_no_redirects) is set |
///
/// `AuthOutcome` of the response then contains `NotReplayed::RedirectsUnseen`, and a log message
/// says so.
///
/// # Errors
///
/// If no token can be had, the request is not sent, and [`reqwest_middleware::Error::Middleware`]
/// contains an [`auth_core::Error`]. Other errors are returned unchanged:
///
/// ```
/// fn why(error: &reqwest_middleware::Error) -> Option<&auth_core::Error> {
///     match error {
///         reqwest_middleware::Error::Middleware(error) => error.downcast_ref(),
///         reqwest_middleware::Error::Reqwest(_) => None,
///     }
/// }
/// ```
///
/// A retrying middleware outside may wrap the error once more. With `reqwest-retry`, downcast to
/// `RetryError` first, and pass its inner error to `why`.
///
/// # Cancel safety
/// Dropping the request's future cancels the request. It does not cancel a token request that the
/// request started or waits for.
///
/// # Security
///
/// The client decides which headers it sends after a redirect. Make it with
/// [`client_builder`](crate::client_builder), or set a policy of
/// [`within_origin`](crate::within_origin). With reqwest's default, a redirect to another origin
/// carries a vendor's own headers with it. Put a middleware that changes a request's URL outside
/// this one.
///
/// An error of reqwest shows the requested URL with its query. Reqwest's `without_url` removes the
/// URL.
#[derive(Clone, Debug)]
pub struct AuthMiddleware {
    stack: Stack,
    redirects: Redirects,
    targets: Targets,
}

/// The settings that all requests share.
#[derive(Clone, Debug)]
enum Stack {
    One(Auth<Below, ByRequest>),
    Keyed(KeyedAuth<Below, ByRequest>),
}

/// The request takes the place of the body that the layer expects.
type ByRequest = ReplayWith<for<'a> fn(&Carried<'a>) -> Option<Carried<'a>>>;

impl AuthMiddleware {
    /// Makes a middleware that signs every request with the token of one authenticator.
    #[must_use]
    pub fn new(authenticator: impl Into<Authenticator>) -> Self {
        Self::from_layer(AuthLayer::new(authenticator))
    }

    /// Makes a middleware for many keys: each request is signed with the token of the [`Key`] in
    /// its extensions (`with_extension`). A request without a key is not sent. If the middleware
    /// was [made from a layer](Self::from_layer) that permits it, such a request is sent unsigned.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use auth_core::{AuthenticatorMap, Key, Secret};
    /// use auth_reqwest::{AuthMiddleware, client_builder};
    /// use reqwest_middleware::ClientBuilder;
    ///
    /// # async fn run(authenticators: AuthenticatorMap) -> Result<(), Box<dyn std::error::Error>> {
    /// let client = ClientBuilder::new(client_builder().build()?)
    ///     .with(AuthMiddleware::keyed(authenticators))
    ///     .build();
    ///
    /// let user = Secret::new("fake-token-of-a-user");
    /// let request = client.get("https://api.example.com/v1/things");
    /// let request = request.with_extension(Key::builder("example").subject(&user).build());
    /// let response = request.send().await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn keyed(authenticators: AuthenticatorMap) -> Self {
        Self::from_layer(AuthLayer::keyed(authenticators))
    }

    /// Makes a middleware with the settings of a layer. Only `replay_with` is ignored, because
    /// reqwest knows which of its requests can be cloned.
    ///
    /// # Example
    ///
    /// ```
    /// use auth_core::Authenticator;
    /// use auth_reqwest::AuthMiddleware;
    /// use auth_tower::{AuthLayer, ExistingCredential};
    ///
    /// # fn make(authenticator: Authenticator) {
    /// let layer = AuthLayer::new(authenticator).existing(ExistingCredential::Reject).replay_off();
    /// let middleware = AuthMiddleware::from_layer(layer);
    /// # }
    /// ```
    #[must_use]
    pub fn from_layer<R, A>(layer: AuthLayer<R, A>) -> Self
    where
        Self: From<AuthLayer<R, A>>,
    {
        layer.into()
    }

    /// States that the client follows no redirects (`redirect(Policy::none())`), so that a refused
    /// POST or PATCH is sent again with a new token. Default: not stated.
    ///
    /// Not needed for a client of [`client_builder`](crate::client_builder), which reports
    /// redirects. Also correct for a client with a policy of
    /// [`within_origin`](crate::within_origin), if no middleware between this one and the client
    /// moves requests to another task.
    ///
    /// # Example
    ///
    /// ```no_run
    /// use auth_core::Authenticator;
    /// use auth_reqwest::AuthMiddleware;
    /// use reqwest::redirect::Policy;
    /// use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
    ///
    /// # fn build(authenticator: Authenticator) -> Result<ClientWithMiddleware, reqwest::Error> {
    /// let client = reqwest::Client::builder().redirect(Policy::none()).build()?;
    /// let middleware = AuthMiddleware::new(authenticator).danger_client_follows_no_redirects();
    /// let client = ClientBuilder::new(client).with(middleware).build();
    /// # Ok(client)
    /// # }
    /// ```
    ///
    /// # Security
    ///
    /// If the statement is wrong, a request may be carried out twice, for example an order: a POST
    /// that was carried out and answered with a 303 to the same URL is sent again when the request
    /// after the redirect is refused.
    #[must_use]
    pub fn danger_client_follows_no_redirects(mut self) -> Self {
        self.redirects = Redirects::Seen;
        self
    }

    fn over(stack: Stack) -> Self {
        Self {
            stack,
            redirects: Redirects::Unknown,
            targets: Targets::default(),
        }
    }
}

impl Middleware for AuthMiddleware {
    // Written without the macro, so that the request is moved only once.
    fn handle<'this, 'extensions, 'next, 'call>(
        &'this self,
        mut request: Request,
        extensions: &'extensions mut Extensions,
        next: Next<'next>,
    ) -> BoxFuture<'call, Result<Response>>
    where
        'this: 'call,
        'extensions: 'call,
        'next: 'call,
        Self: 'call,
    {
        // The rare paths are separate futures, so that this one is small.
        Box::pin(async move {
            let slot = Slot::new(self.redirects);
            let Some(signed) = self.sign(&mut request, extensions, &slot) else {
                return Box::pin(self.through_layer(request, extensions, next, &slot)).await;
            };
            let mut followed = match may_be_repeated(&signed) {
                Some(sent) => Followed::watch(sent.method, self.redirects),
                None => Followed::watch_policy(),
            };
            let mut call = next.clone().run(request, extensions);
            let mut response = poll_fn(|cx| followed.poll(|| call.as_mut().poll(cx))).await?;
            drop(call);
            if signed.is_plain(response.status(), response.extensions()) {
                followed.mark_reported(&mut response);
                return Ok(response);
            }
            match may_be_repeated(&signed) {
                Some(sent) => followed.mark(&mut response, sent.method, Target::Url(sent.url)),
                None => followed.mark_reported(&mut response),
            }
            Box::pin(self.judge(signed, response, extensions, next, &slot)).await
        })
    }
}

impl AuthMiddleware {
    /// Signs the request in place. Returns `None`, with the request unchanged, if it must go
    /// through the layer.
    #[inline]
    fn sign<'a>(
        &'a self,
        request: &mut Request,
        extensions: &Extensions,
        slot: &'a Slot,
    ) -> Option<Signed<'a>> {
        let origin = self.targets.origin_of(request.url())?;
        let mut unsigned = Unsigned {
            request,
            origin,
            slot,
        };
        match &self.stack {
            Stack::One(auth) => auth.sign_in_place(&mut unsigned),
            Stack::Keyed(auth) => auth.sign_in_place(extensions.get()?, &mut unsigned),
        }
    }

    /// Sends a request through the layer.
    async fn through_layer(
        &self,
        request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
        slot: &Slot,
    ) -> Result<Response> {
        let head = slot.take_head(request, &self.targets);
        // `Below` is always ready, and so is the layer above it.
        let answer = match &self.stack {
            Stack::One(auth) => {
                let layer = pin!(auth.clone().call(head));
                drive(layer, slot, next, extensions).await
            }
            Stack::Keyed(auth) => {
                let head = with_key(head, extensions.get());
                let layer = pin!(auth.clone().call(head));
                drive(layer, slot, next, extensions).await
            }
        };
        complete(answer, slot)
    }

    /// Applies the rules of the layer to a response of a request that was signed in place.
    async fn judge<'a>(
        &self,
        signed: Signed<'a>,
        response: Response,
        extensions: &mut Extensions,
        next: Next<'_>,
        slot: &'a Slot,
    ) -> Result<Response> {
        let layer = pin!(signed.judge::<ByRequest, _>(slot.answer(response)));
        complete(drive(layer, slot, next, extensions).await, slot)
    }
}

/// A request that was signed in place.
type Signed<'a> = SignedInPlace<'a, Below, Carried<'a>>;

/// A request that must not be carried out twice, and may be sent a second time.
struct Repeatable<'a> {
    method: &'a Method,
    url: &'a Url,
}

/// Returns the request if it matters whether its response answers a request after a redirect.
#[inline]
fn may_be_repeated<'a>(signed: &'a Signed<'_>) -> Option<Repeatable<'a>> {
    let (method, carried) = signed.kept()?;
    let url = carried.url()?;
    (!method.is_safe()).then_some(Repeatable { method, url })
}

fn complete(
    answer: std::result::Result<http::Response<()>, Error<reqwest_middleware::Error>>,
    slot: &Slot,
) -> Result<Response> {
    match answer {
        Ok(head) => Ok(slot.response_of(head)),
        Err(Error::Auth(error)) => Err(reqwest_middleware::Error::middleware(error)),
        Err(Error::Inner(error)) => Err(error),
    }
}

fn with_key<B>(mut head: http::Request<B>, key: Option<&Key>) -> http::Request<B> {
    if let Some(key) = key {
        head.extensions_mut().insert(key.clone());
    }
    head
}

type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl From<AuthLayer> for AuthMiddleware {
    fn from(layer: AuthLayer) -> Self {
        let auth = by_request(layer).layer(Below);
        Self::over(Stack::One(auth))
    }
}

impl From<AuthLayer<ReplayOff>> for AuthMiddleware {
    fn from(layer: AuthLayer<ReplayOff>) -> Self {
        let auth = never(layer).layer(Below);
        Self::over(Stack::One(auth))
    }
}

impl From<AuthLayer<ReplayCheap, AuthenticatorMap>> for AuthMiddleware {
    fn from(layer: AuthLayer<ReplayCheap, AuthenticatorMap>) -> Self {
        let auth = by_request(layer).layer(Below);
        Self::over(Stack::Keyed(auth))
    }
}

impl From<AuthLayer<ReplayOff, AuthenticatorMap>> for AuthMiddleware {
    fn from(layer: AuthLayer<ReplayOff, AuthenticatorMap>) -> Self {
        let auth = never(layer).layer(Below);
        Self::over(Stack::Keyed(auth))
    }
}

fn by_request<A>(layer: AuthLayer<ReplayCheap, A>) -> AuthLayer<ByRequest, A> {
    layer.replay_with(below::again)
}

/// The same type for all methods: with `ReplayOff` no request is kept.
fn never<A>(layer: AuthLayer<ReplayOff, A>) -> AuthLayer<ByRequest, A> {
    let layer: AuthLayer<ByRequest, A> = layer.replay_with(below::again);
    layer.replay_only(|_| false)
}
