use auth_core::{Authenticator, AuthenticatorMap};
use http::Method;
use tower_layer::Layer;

use crate::{
    Auth, ExistingCredential, KeyedAuth, MissingToken, ReplayCheap, ReplayOff, ReplayWith,
    ResponseHead,
    bounds::CloneService,
    replay::{Methods, sealed::Sealed},
    settings::Options,
};

/// Signs each outgoing request, and sends it once more with a new token when the API refuses the
/// cached one.
///
/// Put it as close to the client as it goes: retries, timeouts and redirect followers belong
/// outside, so that each of their attempts is signed, and judged by its own destination. A layer
/// that should see signed requests (a log of the wire, for example) belongs inside.
///
/// Requests to destinations outside the authenticator's [`Origins`](auth_core::Origins) pass
/// unsigned, and so do requests whose URI has no scheme and host, and requests whose `Host` header
/// names another host than the URI. Their responses carry an [`AuthOutcome`](crate::AuthOutcome)
/// that says so, and the log says it too.
///
/// # Redirect followers inside
///
/// A follower that has to stand inside needs an [`OriginGuardLayer`](crate::OriginGuardLayer) below
/// it, and a client must not follow redirects to other origins by itself. Without the guard, a
/// credential in a header of the vendor's own goes along to other origins, and this layer does not
/// see which request a refusal answers. A `POST` that the API applied and answered with 303 must
/// not be sent again because the request after the redirect was refused. What prevents that:
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
/// The last row is the limit. Without the feature, this layer recognizes tower-http's follower by
/// the name of the type of the stack below, of whatever version of tower-http. A box hides that
/// name. With the feature, this layer reads the mark that tower-http's follower (the version that
/// auth-tower depends on) leaves on a response, also out of a box. A follower that leaves no mark
/// cannot be recognized from above, because nothing of a response differs. Such a follower needs
/// the guard below it. Without the guard, set [`replay_only`](Self::replay_only) to idempotent
/// methods, or put an [`AnsweredRequest`](crate::AnsweredRequest) or
/// [`Redirected`](auth_core::Redirected) on the response:
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
/// The compiler says only that "trait bounds were not satisfied" where a method such as `oneshot`
/// is called. The message names the cause and the cure where the stack is used as a service:
/// return it from a function as `impl Service<Request<Full<Bytes>>>`, with your own body type.
///
/// A timeout, a buffer or load shedding below this layer boxes errors. A layer above that boxes
/// errors too then needs `.map_err(auth_tower::Error::into_boxed)` in between, see
/// [`Error::into_boxed`](crate::Error::into_boxed).
///
/// # How often a request is sent
///
/// Once, and once more if the token is refused. A retry layer above makes that at most two sends
/// for each of its tries, and one below as many as it makes of one send, twice. So let neither try
/// again after a 401: what could be done was done here. With another layer of this kind below, for
/// a second credential, it is two sends still: the one below sees that its request is a second one
/// already.
///
/// A load balancer above keeps one place of each endpoint's concurrency limit taken while it waits
/// for the next request. Put that limit above this layer, or let it have two places: a request that
/// had to wait for its token, or is sent again, takes a place of its own then, as it does with
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
    /// empty or cheap to clone ([`ReplayCheap`]). Takes an authenticator, or what a vendor's crate
    /// makes.
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
    /// [`Key`](auth_core::Key) in its extensions. A request without one is not sent, or unsigned if
    /// [`without_token`](Self::without_token) says so. Costs an allocation a request.
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
    /// Replays only requests of the methods that `allow` says; default all, because a request that
    /// was answered 401 has not been applied (RFC 9110 section 15.5.2).
    #[must_use]
    pub fn replay_only(mut self, allow: fn(&Method) -> bool) -> Self {
        self.replay.methods = Methods(Some(allow));
        self
    }
}

impl<F, A> AuthLayer<ReplayWith<F>, A> {
    /// Replays only requests of the methods that `allow` says; default all, as without
    /// [`replay_with`](Self::replay_with).
    #[must_use]
    pub fn replay_only(mut self, allow: fn(&Method) -> bool) -> Self {
        self.replay.methods = Methods(Some(allow));
        self
    }
}

impl<R, A> AuthLayer<R, A> {
    /// Replays nothing: when the API refuses a token, it is renewed in the background and the
    /// refusal returned. Cheapest, and the choice for bodies that can be sent only once.
    #[must_use]
    pub fn replay_off(self) -> AuthLayer<ReplayOff, A> {
        AuthLayer {
            authenticator: self.authenticator,
            options: self.options,
            replay: ReplayOff,
        }
    }

    /// Replays requests whose body `clone` can clone, for body types of your own or a client's.
    /// Called for each request before it is sent; it has to be
    /// cheap, and return a body with the same frames. Methods that
    /// `replay_only` chose before stay chosen.
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

    /// Sets what happens to requests that carry the credential header already.
    #[must_use]
    pub fn existing(mut self, existing: ExistingCredential) -> Self {
        self.options.existing = existing;
        self
    }

    /// Sets what happens to requests when no token could be had.
    #[must_use]
    pub fn without_token(mut self, without_token: MissingToken) -> Self {
        self.options.without_token = without_token;
        self
    }

    /// Adds a rule of the vendor's: responses for which it holds count as a refused token, besides
    /// those that always do. A rule that reads a body belongs into a layer below, which marks the
    /// response with [`TokenRefused`](auth_core::TokenRefused).
    #[must_use]
    pub fn refused_when(mut self, rule: fn(ResponseHead<'_>) -> bool) -> Self {
        self.options.rules.refused_when = Some(rule);
        self
    }

    /// Takes only a 401 with a `Bearer` or `DPoP` challenge that says `invalid_token` for a refused
    /// token; default any 401 that does not say something else, because many APIs send a bare one.
    #[must_use]
    pub fn require_challenge(mut self, require: bool) -> Self {
        self.options.rules.require_challenge = require;
        self
    }

    /// Takes a gRPC reply with `grpc-status: 16` in its head for a refused token, too.
    /// A status behind messages, in the trailers, is the caller's.
    ///
    /// Messages are streams, so calls are sent once more only below a
    /// [`ReplayBodyLayer`](crate::ReplayBodyLayer). A client that tonic generated needs its origin
    /// (`with_origin`): tonic's channel adds scheme and host below this layer, which signs nothing
    /// for a destination that it does not know.
    #[must_use]
    pub fn grpc(mut self, grpc: bool) -> Self {
        self.options.rules.grpc = grpc;
        self
    }
}

impl<S: CloneService, R: Clone> Layer<S> for AuthLayer<R> {
    type Service = Auth<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        let settings = self.options.with(self.authenticator.clone());
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
