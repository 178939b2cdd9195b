//! The clients: reqwest and hyper's, both below `AuthLayer`.

use std::time::Duration;

use auth_core::{Authenticator, AuthenticatorMap, Transport};
use auth_reqwest::{ReqwestService, ReqwestTransport, client_builder};
use auth_tower::{AuthLayer, Error, ServiceTransport};
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body::Body;
use http_body_util::{BodyExt as _, Full};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use reqwest::redirect::Policy;
use tower::{BoxError, Layer, Service, ServiceExt as _, util::BoxCloneSyncService};

/// A whole stack. The response is read to its end, so that the connection can be used again.
pub(crate) type Http = BoxCloneSyncService<Request<Full<Bytes>>, StatusCode, Failure>;

/// Why a request has no response.
#[derive(Debug)]
pub(crate) struct Failure {
    /// The kind of a token's error, or `transport`.
    pub(crate) kind: String,
    pub(crate) text: String,
}

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Reqwest,
    Hyper,
}

impl Kind {
    pub(crate) fn signed(self, authenticator: Authenticator) -> Http {
        let layer = AuthLayer::new(authenticator);
        match self {
            Self::Reqwest => http(layer.layer(reqwest())),
            Self::Hyper => http(layer.layer(hyper())),
        }
    }

    pub(crate) fn keyed(self, authenticators: AuthenticatorMap) -> Http {
        let layer = AuthLayer::keyed(authenticators);
        match self {
            Self::Reqwest => http(layer.layer(reqwest())),
            Self::Hyper => http(layer.layer(hyper())),
        }
    }
}

/// A transport of token requests, of the kind that the requests use.
pub(crate) fn transport(kind: Kind) -> auth_core::SharedTransport {
    match kind {
        Kind::Reqwest => shared(ReqwestTransport::new().unwrap()),
        Kind::Hyper => shared(ServiceTransport::new(hyper())),
    }
}

fn shared(transport: impl Transport) -> auth_core::SharedTransport {
    auth_core::SharedTransport::new(transport)
}

fn reqwest() -> ReqwestService {
    let builder = client_builder()
        .tls_certs_only([])
        .pool_idle_timeout(IDLE)
        .pool_max_idle_per_host(4);
    ReqwestService::from_builder(builder, Policy::none()).unwrap()
}

fn hyper() -> Client<HttpConnector, Full<Bytes>> {
    Client::builder(TokioExecutor::new())
        .pool_idle_timeout(IDLE)
        .pool_timer(hyper_util::rt::TokioTimer::new())
        .pool_max_idle_per_host(4)
        .build_http()
}

fn http<S, B, E>(stack: S) -> Http
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Error<E>>,
    S: Clone + Send + Sync + 'static,
    S::Future: Send,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<BoxError>,
    E: Into<BoxError> + 'static,
{
    BoxCloneSyncService::new(stack.map_err(Failure::of).and_then(read))
}

async fn read<B>(response: Response<B>) -> Result<StatusCode, Failure>
where
    B: Body,
    B::Error: Into<BoxError>,
{
    let (head, body) = response.into_parts();
    match body.collect().await {
        Ok(_) => Ok(head.status),
        Err(error) => Err(Failure::transport(error)),
    }
}

impl Failure {
    fn of<E: Into<BoxError>>(error: Error<E>) -> Self {
        match error {
            Error::Auth(error) => Self {
                kind: format!("{:?}", error.kind()),
                text: format!("{error} {error:?}"),
            },
            Error::Inner(error) => Self::transport(error),
        }
    }

    fn transport(error: impl Into<BoxError>) -> Self {
        let error = error.into();
        Self {
            kind: TRANSPORT.into(),
            text: format!("{error} {error:?}"),
        }
    }
}

/// The kind of a failure that is not about the token.
pub(crate) const TRANSPORT: &str = "transport";
const IDLE: Duration = Duration::from_secs(5);
