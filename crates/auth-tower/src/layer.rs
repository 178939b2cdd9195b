use auth_core::{Authenticator, AuthenticatorMap};
use http::Method;
use tower_layer::Layer;

use crate::{
    Auth, ExistingCredential, KeyedAuth, MissingToken, ReplayCheap, ReplayOff, ReplayWith,
    ResponseHead,
    bounds::CloneService,
    replay::{Methods, sealed::Sealed},
    settings::{Options, Own},
};

/// Signs each outgoing request, and sends a request once more with a new token if the API refuses
/// the cached one.
///
/// Put the layer as close to the client as possible. Put retries, timeouts and redirect followers
/// above it, so that each of their attempts is signed, and checked by its own destination. Put a
/// layer that must see signed requests below it, for example a wire log.
///
/// A request is sent unsigned if its destination is outside the authenticator's
/// [`Origins`](auth_core::Origins), if its URI has no scheme and host, or if its `Host` header
/// names another host than the URI. The response then carries an
/// [`AuthOutcome`](crate::AuthOutcome) that says so, and a log line says so too.
///
/// # Redirect followers below
///
/// A redirect follower below this layer needs an [`OriginGuardLayer`](crate::OriginGuardLayer)
/// below it, and a client must not follow redirects to other origins itself. Without the guard, a
/// credential in a vendor's own header is sent to other origins, and this layer does not know which
/// request a refusal answers. A `POST` that the API carried out and answered with 303 must not be
/// sent again because the request after the redirect was refused. The stacks behave as follows:
///
/// | below `AuthLayer` | a refused `POST` or `PATCH` | a refused `PUT` or `DELETE` |
/// |---|---|---|
/// | no follower, and a client that follows nothing (hyper) | sent again | sent again |
/// | follower, guard, client | sent again, unless a redirect was followed | the same |
/// | `auth_reqwest::ReqwestService` | sent again, unless a redirect was followed | the same |
/// | tower-http's follower, no guard, feature `follow-redirect` | not sent again | not sent again |
/// | tower-http's follower, no guard, no feature | not sent again | sent again |
/// | a client that says [`RedirectsUnseen`](auth_core::RedirectsUnseen) | not sent again | sent again |
/// | a follower of another crate, or one in a box (`BoxCloneService`), no guard, no mark | **sent again** | **sent again** |
///
/// The last row is the limit. Without the feature, this layer recognizes tower-http's follower, of
/// any version, by the name of the type of the stack below. A box hides that name. With the
/// feature, this layer reads the mark that tower-http's follower (in the version on which
/// auth-tower depends) leaves on a response, also through a box. A follower that leaves no mark
/// cannot be recognized. It needs the guard below it. Without the guard, set
/// [`replay_only`](Self::replay_only) to idempotent methods, or put an
/// [`AnsweredRequest`](crate::AnsweredRequest) or [`Redirected`](auth_core::Redirected) on the
/// response:
///
/// ```
/// # use auth_core::Authenticator;
/// use auth_tower::AuthLayer;
/// use http::Method;
///
/// # fn make(authenticator: Authenticator) {
/// let layer = AuthLayer::new(authenticator).replay_only(Method::is_idempotent);
/// # }
/// ```
///
/// # When a stack does not compile
///
/// Where a method such as `oneshot` is called, the compiler says only that "trait bounds were not
/// satisfied". To get a message with the cause and the fix, return the stack from a function as
/// `impl Service<Request<Full<Bytes>>>`, with your own body type.
///
/// A timeout, a buffer or load shedding below this layer boxes errors. If a layer above boxes
/// errors too, put `.map_err(auth_tower::Error::into_boxed)` between the two, see
/// [`Error::into_boxed`](crate::Error::into_boxed).
///
/// # How often a request is sent
///
/// Once, and once more if the token is refused. A retry layer above causes at most two sends for
/// each of its tries. A retry layer below retries each of the two sends. Neither should retry a
/// 401, because this layer has already tried a new token. Two layers of this kind, for two
/// credentials, send at most twice too: the lower one recognizes that a request is a second send.
///
/// A load balancer above occupies one place of each endpoint's concurrency limit while it waits for
/// the next request. Put that limit above this layer, or let it have two places: a request that
/// waits for its token, or is sent again, takes another place, as with tower's retry layer.
/// tower's retry layer.
///
/// # Example
///
/// ```
/// use auth_core::{AccessToken, Authenticator, Error, TokenRequest, Origins, TokenSource};
/// use auth_tower::AuthLayer;
/// use http::{Request, Response};
/// use http_body_util::Empty;
/// use bytes::Bytes;
/// use tower::{ServiceBuilder, ServiceExt, service_fn};
/// # use std::{convert::Infallible, time::Duration};
///
/// struct FromAgent;
///
/// impl TokenSource for FromAgent {
///     async fn fetch(&self, _: TokenRequest) -> Result<AccessToken, Error> {
///         Ok(AccessToken::new("fake-token").expires_in(Duration::from_secs(600)))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let authenticator = Authenticator::builder(FromAgent, Origins::new(["https://api.example.com"])?)
///     .build()?;
/// // In place of the closure: any HTTP client that is a tower service.
/// let client = service_fn(|request: Request<Empty<Bytes>>| async move {
///     assert_eq!(request.headers()["authorization"], "Bearer fake-token");
///     Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
/// });
/// let client = ServiceBuilder::new().layer(AuthLayer::new(authenticator)).service(client);
///
/// let request = Request::get("https://api.example.com/v1/things").body(Empty::new())?;
/// let response = client.oneshot(request).await?;
/// # assert_eq!(response.status(), 200);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct AuthLayer<R = ReplayCheap, A = Authenticator> {
    authenticator: A,
    options: Options,
    replay: R,
}

impl AuthLayer {
    /// Makes a layer that signs with an authenticator's token, and replays requests whose body is
    /// empty or cheap to clone ([`ReplayCheap`]). Accepts an authenticator, or a type of a vendor's
    /// crate that converts into one.
    #[must_use]
    pub fn new(authenticator: impl Into<Authenticator>) -> Self {
        Self {
            authenticator: authenticator.into(),
            options: Options::default(),
            replay: ReplayCheap::default(),
        }
    }
}

impl AuthLayer<ReplayCheap, AuthenticatorMap> {
    /// Makes a layer for many keys: each request is signed with the token of the
    /// [`Key`](auth_core::Key) in its extensions. A request without a key is not sent, or sent
    /// unsigned if [`without_token`](Self::without_token) permits it. Costs one allocation per
    /// request.
    ///
    /// # Example
    ///
    /// ```
    /// use auth_core::{AuthenticatorMap, Key, Secret};
    /// use auth_tower::AuthLayer;
    /// use bytes::Bytes;
    /// use http::Request;
    /// use http_body_util::Empty;
    /// use tower::ServiceBuilder;
    ///
    /// # fn test<S: Clone>(authenticators: AuthenticatorMap, http: S) -> Result<(), http::Error> {
    /// let client = ServiceBuilder::new().layer(AuthLayer::keyed(authenticators)).service(http);
    ///
    /// let user = Secret::new("fake-token-of-a-user");
    /// let request = Request::get("https://api.example.com/v1/things")
    ///     .extension(Key::builder("example").subject(&user).build())
    ///     .body(Empty::<Bytes>::new())?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn keyed(authenticators: AuthenticatorMap) -> Self {
        Self {
            authenticator: authenticators,
            options: Options::default(),
            replay: ReplayCheap::default(),
        }
    }
}

impl<A> AuthLayer<ReplayCheap, A> {
    /// Sets the methods whose requests are replayed. Default: all, because a request that was
    /// answered with 401 was not carried out (RFC 9110 section 15.5.2).
    #[must_use]
    pub fn replay_only(mut self, allow: fn(&Method) -> bool) -> Self {
        self.replay.methods = Methods(Some(allow));
        self
    }
}

impl<F, A> AuthLayer<ReplayWith<F>, A> {
    /// Sets the methods whose requests are replayed. Default: all, as without
    /// [`replay_with`](Self::replay_with).
    #[must_use]
    pub fn replay_only(mut self, allow: fn(&Method) -> bool) -> Self {
        self.replay.methods = Methods(Some(allow));
        self
    }
}

impl<R, A> AuthLayer<R, A> {
    /// Replays no request: if the API refuses a token, the token is renewed in the background and
    /// the refusal is returned. The cheapest setting, and the right one for bodies that can be sent
    /// only once.
    #[must_use]
    pub fn replay_off(self) -> AuthLayer<ReplayOff, A> {
        AuthLayer {
            authenticator: self.authenticator,
            options: self.options,
            replay: ReplayOff,
        }
    }

    /// Replays requests whose body `clone` can clone, for your own body types or those of a client.
    /// `clone` is called for each request before it is sent. It must be cheap, and return a body
    /// with the same frames. Methods that `replay_only` chose before stay chosen.
    #[must_use]
    pub fn replay_with<F>(self, clone: F) -> AuthLayer<ReplayWith<F>, A>
    where
        R: Sealed,
    {
        let replay = ReplayWith {
            clone,
            methods: self.replay.methods(),
        };
        AuthLayer {
            authenticator: self.authenticator,
            options: self.options,
            replay,
        }
    }

    /// Sets what happens to a request that already carries the credential header. Default:
    /// [`ExistingCredential::Keep`].
    #[must_use]
    pub fn existing(mut self, existing: ExistingCredential) -> Self {
        self.options.existing = existing;
        self
    }

    /// Sets what happens to a request if no token can be had. Default: [`MissingToken::Fail`].
    #[must_use]
    pub fn without_token(mut self, without_token: MissingToken) -> Self {
        self.options.without_token = without_token;
        self
    }

    /// Adds a rule: a response for which it returns `true` counts as a refused token, in addition
    /// to those that always do. Default: no rule. A rule that reads a body must be a layer below,
    /// which marks the response with [`TokenRefused`](auth_core::TokenRefused).
    #[must_use]
    pub fn refused_when(mut self, rule: fn(ResponseHead<'_>) -> bool) -> Self {
        self.options.rules.refused_when = Some(rule);
        self
    }

    /// Sets whether only a 401 with a `Bearer` or `DPoP` challenge `invalid_token` counts as a
    /// refused token. Default: `false`: any 401 counts that does not state another reason, because
    /// many APIs send a 401 without a challenge.
    #[must_use]
    pub fn require_challenge(mut self, require: bool) -> Self {
        self.options.rules.require_challenge = require;
        self
    }

    /// Sets whether a gRPC reply with `grpc-status: 16` in its head counts as a refused token too.
    /// Default: `false`. A status after messages, in the trailers, is not read.
    ///
    /// gRPC messages are streams, so calls are replayed only with a
    /// [`ReplayBodyLayer`](crate::ReplayBodyLayer) above. Give a client that tonic generated its
    /// origin (`with_origin`): tonic's channel adds scheme and host below this layer, and this
    /// layer does not sign a request without a destination.
    #[must_use]
    pub fn grpc(mut self, grpc: bool) -> Self {
        self.options.rules.grpc = grpc;
        self
    }
}

impl<S: CloneService, R: Clone> Layer<S> for AuthLayer<R> {
    type Service = Auth<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        let settings = self.options.with(Own(self.authenticator.clone()));
        Auth::new(inner, &settings, self.replay.clone())
    }
}

impl<S: CloneService, R: Clone> Layer<S> for AuthLayer<R, AuthenticatorMap> {
    type Service = KeyedAuth<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        KeyedAuth::new(
            inner,
            self.authenticator.clone(),
            self.options,
            self.replay.clone(),
        )
    }
}
