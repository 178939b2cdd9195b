use std::{
    future::Future,
    pin::{Pin, pin},
};

use auth_core::{Authenticator, AuthenticatorMap, Key};
use auth_tower::{Auth, AuthLayer, Error, KeyedAuth, ReplayCheap, ReplayOff, ReplayWith};
use http::Extensions;
use reqwest::{Request, Response};
use reqwest_middleware::{Middleware, Next};
use tower_layer::Layer;
use tower_service::Service;

use self::{
    below::{Below, Carried, Slot, drive},
    target::Targets,
};
use crate::followed::Redirects;

mod below;
mod target;

/// `AuthLayer` for clients of the crate
/// [reqwest-middleware](https://docs.rs/reqwest-middleware): signs each request, and sends it once
/// more with a new token when the API refuses the one at hand.
///
/// It runs [`AuthLayer`] over the rest of the chain, so every promise of the layer holds here: what
/// a response means, that one token request serves everybody, that no token goes to a destination
/// outside the authenticator's [`Origins`](auth_core::Origins), and that a credential which the
/// caller set is kept. For stacks of tower there is [`ReqwestService`](crate::ReqwestService).
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
/// Add it last, so that it is next to the client: what is added before it stands outside, where
/// each attempt of a retry is signed anew and nothing sees a token. In this order, too:
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
/// At most twice; with `n` retries of another middleware, outside or inside, at most `2 * (n + 1)`
/// times, however their answers mix. `reqwest-retry` takes neither a 401 nor an error of ours for
/// something to retry, so an API that always refuses sees two sends, and one that is down (503)
/// sees `n + 1`. Two of these middlewares in one chain send twice, not four times.
///
/// # Bodies
///
/// A request is sent again if reqwest can clone it ([`Request::try_clone`]): without a body, or
/// with a body in memory. A request whose body is a stream is sent once. If its token is refused,
/// the refusal is the response, and the token is renewed in the background.
///
/// # Redirects
///
/// A request is not sent again because a redirect that the client followed was refused, unless its
/// method is safe (GET, HEAD, OPTIONS, TRACE): a POST that was answered with a redirect may have
/// been carried out. The refusal is the response, and the token is renewed in the background.
///
/// What the client followed is known if [`client_builder`](crate::client_builder) made the client,
/// whatever redirect policy was set later. Of any other client (`reqwest::Client::new()` too) only
/// a redirect to another URL is seen. After a POST to `/orders` with a 303 back to `/orders` and a
/// 401, nothing tells that the 401 is not the answer to the POST. So with such a client:
///
/// | refused request | sent again with a new token |
/// |---|---|
/// | GET, HEAD, OPTIONS, TRACE, PUT, DELETE | yes |
/// | POST, PATCH and other methods that are not idempotent (RFC 9110 section 9.2.2) | no, unless [`danger_client_follows_no_redirects`](Self::danger_client_follows_no_redirects) is set |
///
/// The outcome of the response is then `NotReplayed::RedirectsUnseen`, and the log says it.
///
/// # Errors
///
/// When no token could be had, the request is not sent, and
/// [`reqwest_middleware::Error::Middleware`] holds an [`auth_core::Error`]; other errors come
/// through as they are:
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
/// A retrying middleware outside may wrap it once more: of `reqwest-retry`, downcast to
/// `RetryError` first and ask `why` about what is in it.
///
/// # Cancel safety
///
/// Dropping the request's future ends the request. It never cancels a token request that the
/// request started or waits for.
///
/// # Security
///
/// The client below decides where headers go on a redirect: make it with
/// [`client_builder`](crate::client_builder), or set a policy made by
/// [`within_origin`](crate::within_origin). With reqwest's own default, a redirect to another
/// origin takes a vendor's own headers along. Put a middleware that changes a request's URL
/// outside.
///
/// An error of reqwest's shows the URL that was asked for, query included; its `without_url` takes
/// that off.
#[derive(Clone, Debug)]
pub struct AuthMiddleware {
    stack: Stack,
    redirects: Redirects,
    targets: Targets,
}

/// What is the same for each request.
#[derive(Clone, Debug)]
enum Stack {
    One(Auth<Below, ByRequest>),
    Keyed(KeyedAuth<Below, ByRequest>),
}

/// The request itself stands where the layer expects a body.
type ByRequest = ReplayWith<for<'a> fn(&Carried<'a>) -> Option<Carried<'a>>>;

impl AuthMiddleware {
    /// Makes a middleware that signs with an authenticator's token.
    #[must_use]
    pub fn new(authenticator: impl Into<Authenticator>) -> Self {
        Self::from_layer(AuthLayer::new(authenticator))
    }

    /// Makes a middleware for many keys: each request is signed with the token of the [`Key`] that
    /// its `with_extension` was given. A request without one is not sent, or unsigned if the layer
    /// that it was [made from](Self::from_layer) says so.
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

    /// Makes a middleware with the settings of a layer: all but `replay_with`, because reqwest
    /// itself knows which of its requests can be cloned.
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

    /// States that the client below follows no redirects (`redirect(Policy::none())`), so that a
    /// refused POST or PATCH is sent again with a new token.
    ///
    /// Not needed for a client of [`client_builder`](crate::client_builder), which tells by itself.
    /// Also right for a client whose policy was made by [`within_origin`](crate::within_origin), if
    /// no middleware between this one and the client moves requests to another task.
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
    /// If the statement is wrong, an order may be placed twice: a POST that was carried out and
    /// answered with a 303 to the same URL is sent again when the request after the redirect is
    /// refused.
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
    // Without the macro, so that the request is moved once: into the slot.
    fn handle<'this, 'extensions, 'next, 'call>(
        &'this self,
        request: Request,
        extensions: &'extensions mut Extensions,
        next: Next<'next>,
    ) -> BoxFuture<'call, reqwest_middleware::Result<Response>>
    where
        'this: 'call,
        'extensions: 'call,
        'next: 'call,
        Self: 'call,
    {
        let slot = Slot::new(request, self.redirects);
        Box::pin(async move {
            // `Below` is always ready, and so is what stands on it.
            let answer = match &self.stack {
                Stack::One(auth) => {
                    let head = slot.take_head(&self.targets);
                    let layer = pin!(auth.clone().call(head));
                    drive(layer, &slot, next, extensions).await
                }
                Stack::Keyed(auth) => {
                    let head = slot.take_head(&self.targets);
                    let head = with_key(head, extensions.get());
                    let layer = pin!(auth.clone().call(head));
                    drive(layer, &slot, next, extensions).await
                }
            };
            match answer {
                Ok(head) => Ok(slot.response_of(head)),
                Err(Error::Auth(error)) => Err(reqwest_middleware::Error::middleware(error)),
                Err(Error::Inner(error)) => Err(error),
            }
        })
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

/// One type is enough: a request of no method is ever kept.
fn never<A>(layer: AuthLayer<ReplayOff, A>) -> AuthLayer<ByRequest, A> {
    let layer: AuthLayer<ByRequest, A> = layer.replay_with(below::again);
    layer.replay_only(|_| false)
}
