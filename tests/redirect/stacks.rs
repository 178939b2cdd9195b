//! The stacks that may follow a redirect.

use std::{
    future::Future,
    pin::pin,
    task::{Context, Poll, Waker},
};

use auth_core::Authenticator;
use auth_reqwest::{AuthMiddleware, ReqwestService, client_builder};
use auth_tower::{AuthLayer, OriginGuardLayer};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use reqwest::redirect::Policy;
use reqwest_middleware::ClientBuilder;
use tower::{BoxError, Layer, Service, ServiceBuilder, ServiceExt, util::BoxCloneSyncService};
use tower_http::follow_redirect::{
    FollowRedirectLayer,
    policy::{And, CloneBodyFn, PolicyExt, Standard, clone_body_fn},
};

/// A whole stack. The tests use only the status of its response.
pub(crate) type Http = BoxCloneSyncService<Request<Full<Bytes>>, u16, BoxError>;

/// A type-erased client.
pub(crate) type Below = BoxCloneSyncService<Request<Full<Bytes>>, Response<()>, BoxError>;

/// The position of redirect followers, from the top of the stack to the bottom.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stack {
    /// `AuthLayer`, reqwest with the settings of this workspace.
    Reqwest,
    /// Follower, `AuthLayer`, hyper.
    Outside,
    /// `AuthLayer`, follower, guard, hyper.
    Inside,
    /// Follower, `AuthLayer`, reqwest without redirects.
    OutsideReqwest,
    /// Follower, `AuthLayer`, reqwest with the settings of this workspace.
    Both,
    /// `AuthLayer`, follower, guard, reqwest with the settings of this workspace.
    InsideReqwest,
    /// `AuthMiddleware`, reqwest with the settings of this workspace.
    Middleware,
}

impl Stack {
    pub(crate) const ALL: [Self; 7] = [
        Self::Reqwest,
        Self::Outside,
        Self::Inside,
        Self::OutsideReqwest,
        Self::Both,
        Self::InsideReqwest,
        Self::Middleware,
    ];

    pub(crate) fn build(self, authenticator: Authenticator) -> Http {
        match self {
            Self::Reqwest => bare(authenticator, reqwest()),
            Self::Outside => outside(authenticator, hyper()),
            Self::Inside => inside(authenticator, hyper()),
            Self::OutsideReqwest => {
                let client = client_builder().tls_certs_only([]);
                let client = client.redirect(Policy::none()).build().unwrap();
                outside(
                    authenticator,
                    below(ReqwestService::danger_from_client(client)),
                )
            }
            Self::Both => outside(authenticator, reqwest()),
            Self::InsideReqwest => inside(authenticator, reqwest()),
            Self::Middleware => {
                let client = client_builder().tls_certs_only([]);
                middleware(authenticator, client.build().unwrap())
            }
        }
    }

    /// Returns whether a redirect to another origin is followed.
    pub(crate) fn goes_away(self) -> bool {
        !matches!(self, Self::Reqwest | Self::Middleware)
    }

    /// Returns whether a hop back to the permitted origin is signed again.
    pub(crate) fn signs_each_hop(self) -> bool {
        matches!(self, Self::Outside | Self::OutsideReqwest | Self::Both)
    }
}

/// Clients whose redirect policy the application set: reqwest's default, unless the variant says
/// otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Foreign {
    /// `AuthLayer`, reqwest.
    Reqwest,
    /// `AuthLayer`, guard, reqwest: the guard does not see redirects that reqwest follows.
    GuardedReqwest,
    /// `AuthLayer`, follower, guard, reqwest.
    InsideReqwest,
    /// Follower, `AuthLayer`, reqwest.
    OutsideReqwest,
    /// `AuthMiddleware`, reqwest.
    Middleware,
    /// `AuthMiddleware`, reqwest with a closure as its policy.
    MiddlewareCustom,
    /// `AuthMiddleware`, reqwest with the settings of this workspace and a closure as its policy.
    MiddlewareTold,
}

impl Foreign {
    pub(crate) const ALL: [Self; 7] = [
        Self::Reqwest,
        Self::GuardedReqwest,
        Self::InsideReqwest,
        Self::OutsideReqwest,
        Self::Middleware,
        Self::MiddlewareCustom,
        Self::MiddlewareTold,
    ];

    pub(crate) fn build(self, authenticator: Authenticator) -> Http {
        let reqwest = || reqwest::Client::builder().no_proxy();
        let custom = || Policy::custom(|attempt| attempt.follow());
        let build = |builder: reqwest::ClientBuilder| builder.tls_certs_only([]).build().unwrap();
        let service = || below(ReqwestService::danger_from_client(build(reqwest())));
        match self {
            Self::Reqwest => bare(authenticator, service()),
            Self::GuardedReqwest => {
                let guard = OriginGuardLayer::new(authenticator.clone());
                bare(authenticator, below(guard.layer(service())))
            }
            Self::InsideReqwest => inside(authenticator, service()),
            Self::OutsideReqwest => outside(authenticator, service()),
            Self::Middleware => middleware(authenticator, build(reqwest())),
            Self::MiddlewareCustom => {
                middleware(authenticator, build(reqwest().redirect(custom())))
            }
            Self::MiddlewareTold => {
                middleware(authenticator, build(client_builder().redirect(custom())))
            }
        }
    }

    /// Returns whether the client reports which request it answered.
    pub(crate) fn tells(self) -> bool {
        self == Self::MiddlewareTold
    }

    /// Returns whether each hop would be signed again, if reqwest left one to the follower.
    pub(crate) fn signs_each_hop(self) -> bool {
        self == Self::OutsideReqwest
    }
}

/// `AuthLayer` above a client.
pub(crate) fn bare(authenticator: Authenticator, client: Below) -> Http {
    status(AuthLayer::new(authenticator).layer(client))
}

/// `AuthMiddleware` above a client.
pub(crate) fn middleware(authenticator: Authenticator, client: reqwest::Client) -> Http {
    let client = ClientBuilder::new(client)
        .with(AuthMiddleware::new(authenticator))
        .build();
    let stack = client
        .map_request(|request: Request<Full<Bytes>>| {
            // As bytes, so that reqwest can clone it.
            reqwest::Request::try_from(request.map(whole)).unwrap()
        })
        .map_response(|response| response.status().as_u16());
    BoxCloneSyncService::new(stack.map_err(Into::into))
}

fn whole(mut body: Full<Bytes>) -> Bytes {
    let mut cx = Context::from_waker(Waker::noop());
    match pin!(body.frame()).poll(&mut cx) {
        Poll::Ready(Some(frame)) => frame.unwrap().into_data().unwrap(),
        _ => Bytes::new(),
    }
}

/// Tower-http's follower, set to send the body again after a 307 or 308, which its default does
/// not.
fn follower() -> FollowRedirectLayer<Follow> {
    let clone_body: fn(&Full<Bytes>) -> Option<Full<Bytes>> = |body| Some(body.clone());
    let policy =
        PolicyExt::and::<_, Full<Bytes>, BoxError>(Standard::default(), clone_body_fn(clone_body));
    FollowRedirectLayer::with_policy(policy)
}

type Follow = And<Standard, CloneBodyFn<fn(&Full<Bytes>) -> Option<Full<Bytes>>>>;

/// Each hop passes through `AuthLayer`.
pub(crate) fn outside(authenticator: Authenticator, client: Below) -> Http {
    let stack = ServiceBuilder::new()
        .layer(follower())
        .layer(AuthLayer::new(authenticator));
    status(stack.service(client))
}

/// Each hop passes through the guard.
pub(crate) fn inside(authenticator: Authenticator, client: Below) -> Http {
    let stack = ServiceBuilder::new()
        .layer(AuthLayer::new(authenticator.clone()))
        .layer(follower())
        .layer(OriginGuardLayer::new(authenticator));
    status(stack.service(client))
}

/// A stack with a mistake: a follower below `AuthLayer`, without the guard.
pub(crate) fn unguarded(authenticator: Authenticator, client: Below) -> Http {
    let stack = ServiceBuilder::new()
        .layer(AuthLayer::new(authenticator))
        .layer(follower());
    status(stack.service(client))
}

pub(crate) fn hyper() -> Below {
    let client: Client<HttpConnector, Full<Bytes>> =
        Client::builder(TokioExecutor::new()).build_http();
    below(client)
}

/// Reqwest with the settings of this workspace.
fn reqwest() -> Below {
    let builder = client_builder().tls_certs_only([]);
    below(ReqwestService::from_builder(builder, Policy::limited(10)).unwrap())
}

/// Erases the client's type.
pub(crate) fn below<S, B>(client: S) -> Below
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>> + Clone + Send + Sync + 'static,
    S::Future: Send,
    S::Error: Into<BoxError>,
{
    let client = client.map_response(|response| response.map(drop));
    BoxCloneSyncService::new(client.map_err(Into::into))
}

fn status<S>(stack: S) -> Http
where
    S: Service<Request<Full<Bytes>>, Response = Response<()>, Error = auth_tower::Error<BoxError>>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
{
    let stack = stack.map_response(|response| response.status().as_u16());
    BoxCloneSyncService::new(stack.map_err(auth_tower::Error::into_boxed))
}
