//! A layer as applications write it: the finished header value in tokio's `RwLock`, and a boxed
//! future. It requests no token, checks no destination, and sends nothing again.

use std::{
    future::Future,
    mem,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use http::{HeaderValue, Request, header::AUTHORIZATION};
use tokio::sync::RwLock;
use tower::{Layer, Service};

#[derive(Clone)]
pub(crate) struct RwLockLayer(Arc<RwLock<HeaderValue>>);

impl RwLockLayer {
    pub(crate) fn new(token: &str) -> Self {
        let mut value = HeaderValue::try_from(format!("Bearer {token}")).expect("a valid value");
        value.set_sensitive(true);
        Self(Arc::new(RwLock::new(value)))
    }
}

impl<S> Layer<S> for RwLockLayer {
    type Service = RwLockService<S>;

    fn layer(&self, inner: S) -> RwLockService<S> {
        RwLockService {
            inner,
            value: Arc::clone(&self.0),
        }
    }
}

#[derive(Clone)]
pub(crate) struct RwLockService<S> {
    inner: S,
    value: Arc<RwLock<HeaderValue>>,
}

impl<S, B> Service<Request<B>> for RwLockService<S>
where
    S: Service<Request<B>> + Clone + Send + 'static,
    S::Future: Send,
    B: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        // The clone that stays behind is not ready; the future takes the ready service.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let value = Arc::clone(&self.value);
        Box::pin(async move {
            let value = value.read().await.clone();
            request.headers_mut().insert(AUTHORIZATION, value);
            inner.call(request).await
        })
    }
}
