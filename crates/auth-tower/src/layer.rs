use std::sync::Arc;

use auth_core::{Authenticator, Sharded};
use http::Method;
use tower_layer::Layer;

use crate::{
    Auth, ReplayCheap, ReplayOff, ReplayWith, ResponseHead, replay::Methods, verdict::Rules,
};

/// Signs each outgoing request, and sends it once more with a new token when the API refuses the
/// one at hand.
///
/// Put it as close to the client as it goes: retries, timeouts and redirect followers belong
/// outside, so that each of their attempts is signed, and judged by its own destination. What
/// should see signed requests (logging of a wire, a peek at bodies) belongs inside. A redirect
/// follower that has to stand inside needs an [`OriginGuardLayer`](crate::OriginGuardLayer) below
/// it, and a client must not follow redirects to other origins by itself.
///
/// Requests to destinations outside the authenticator's [`Origins`](auth_core::Origins) pass
/// unsigned, and so do requests whose URI has no scheme and host.
///
/// # Example
///
/// ```
/// use auth_core::{AccessToken, Authenticator, Error, Exchange, Origins, TokenSource};
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
///     async fn fetch(&self, _: Exchange) -> Result<AccessToken, Error> {
///         Ok(AccessToken::new("fake-token").expires_in(Duration::from_secs(600)))
///     }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let authenticator = Authenticator::builder(FromAgent)
///     .origins(Origins::new(["https://api.example.com"])?)
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
pub struct AuthLayer<R = ReplayCheap> {
    settings: Settings,
    replay: R,
}

/// What layer and services share.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    pub(crate) authenticator: Authenticator,
    pub(crate) rules: Rules,
    pub(crate) existing: Existing,
    pub(crate) without_token: WithoutToken,
}

/// What happens to a request that already carries the credential header.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Existing {
    /// It is sent as it is, once; no token is fetched for it. The default.
    #[default]
    Keep,
    /// The header is replaced.
    Replace,
    /// The request is not sent; the error says so.
    Reject,
}

/// What happens to a request when no token could be had.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum WithoutToken {
    /// It is not sent; the error says why. The default.
    #[default]
    Fail,
    /// It is sent without credentials, for APIs that give something to anybody.
    SendUnsigned,
}

impl AuthLayer {
    /// Makes a layer that signs with an authenticator's token, and replays requests whose body is
    /// empty or cheap to clone ([`ReplayCheap`]).
    #[must_use]
    pub fn new(authenticator: Authenticator) -> Self {
        let settings = Settings {
            authenticator,
            rules: Rules::default(),
            existing: Existing::default(),
            without_token: WithoutToken::default(),
        };
        Self {
            settings,
            replay: ReplayCheap::default(),
        }
    }

    /// Replays only requests of the methods that `allow` says; default all, because a request that
    /// was answered 401 has not been applied (RFC 9110 section 15.5.2).
    #[must_use]
    pub fn replay_only(mut self, allow: fn(&Method) -> bool) -> Self {
        self.replay.methods = Methods(Some(allow));
        self
    }
}

impl<R> AuthLayer<R> {
    /// Replays nothing: when the API refuses a token, it is renewed in the background and the
    /// refusal returned. Cheapest, and the choice for bodies that can be sent only once.
    #[must_use]
    pub fn replay_off(self) -> AuthLayer<ReplayOff> {
        AuthLayer {
            settings: self.settings,
            replay: ReplayOff,
        }
    }

    /// Replays requests whose body `clone` can clone, for body types of your own or a client's
    /// (`reqwest::Body::try_clone`). Called for each request before it is sent; it has to be
    /// cheap, and return a body with the same frames.
    #[must_use]
    pub fn replay_with<F>(self, clone: F) -> AuthLayer<ReplayWith<F>> {
        let replay = ReplayWith {
            clone,
            methods: Methods::default(),
        };
        AuthLayer {
            settings: self.settings,
            replay,
        }
    }

    /// Sets what happens to requests that carry the credential header already.
    #[must_use]
    pub fn existing(mut self, existing: Existing) -> Self {
        self.settings.existing = existing;
        self
    }

    /// Sets what happens to requests when no token could be had.
    #[must_use]
    pub fn without_token(mut self, without_token: WithoutToken) -> Self {
        self.settings.without_token = without_token;
        self
    }

    /// Adds a rule of the vendor's: responses for which it holds count as a refused token, besides
    /// those that always do. A rule that reads a body belongs into a layer below, which marks the
    /// response with [`TokenRefused`](auth_core::TokenRefused).
    #[must_use]
    pub fn refused_when(mut self, rule: fn(ResponseHead<'_>) -> bool) -> Self {
        self.settings.rules.refused_when = Some(rule);
        self
    }

    /// Takes only a 401 with a `Bearer` or `DPoP` challenge that says `invalid_token` for a refused
    /// token; default any 401 that does not say something else, because many APIs send a bare one.
    #[must_use]
    pub fn require_challenge(mut self, require: bool) -> Self {
        self.settings.rules.require_challenge = require;
        self
    }

    /// Takes a gRPC reply with `grpc-status: 16` in its head for a refused token, too.
    #[must_use]
    pub fn grpc(mut self, grpc: bool) -> Self {
        self.settings.rules.grpc = grpc;
        self
    }
}

impl<S, R: Clone> Layer<S> for AuthLayer<R> {
    type Service = Auth<S, R>;

    fn layer(&self, inner: S) -> Self::Service {
        let shards = self.settings.authenticator.shards();
        let settings = Arc::new(Sharded::new(shards, || self.settings.clone()));
        Auth::new(inner, settings, self.replay.clone())
    }
}
