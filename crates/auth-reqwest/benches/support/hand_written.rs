//! Middlewares as applications write them: a token in a lock, and a clone of the request for a
//! second send. Neither requests a token, checks the destination, or knows which token was refused.

use std::sync::RwLock;

use http::{Extensions, HeaderValue, StatusCode, header};
use reqwest::{Request, Response};
use reqwest_middleware::{Middleware, Next, Result};

/// Puts the token on each request.
pub(crate) struct HandWritten(RwLock<HeaderValue>);

/// Puts the token on each request, and sends a request once more after a 401.
pub(crate) struct HandWrittenReplay(RwLock<HeaderValue>);

impl HandWritten {
    pub(crate) fn new(token: &str) -> Self {
        Self(value(token))
    }
}

impl HandWrittenReplay {
    pub(crate) fn new(token: &str) -> Self {
        Self(value(token))
    }
}

fn value(token: &str) -> RwLock<HeaderValue> {
    let mut value = HeaderValue::try_from(format!("Bearer {token}")).expect("a valid value");
    value.set_sensitive(true);
    RwLock::new(value)
}

fn sign(request: &mut Request, token: &RwLock<HeaderValue>) {
    let token = token.read().expect("no writer panics").clone();
    request.headers_mut().insert(header::AUTHORIZATION, token);
}

#[async_trait::async_trait]
impl Middleware for HandWritten {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        sign(&mut request, &self.0);
        next.run(request, extensions).await
    }
}

#[async_trait::async_trait]
impl Middleware for HandWrittenReplay {
    async fn handle(
        &self,
        mut request: Request,
        extensions: &mut Extensions,
        next: Next<'_>,
    ) -> Result<Response> {
        let again = request.try_clone();
        sign(&mut request, &self.0);
        let response = next.clone().run(request, extensions).await?;
        match again {
            Some(mut again) if response.status() == StatusCode::UNAUTHORIZED => {
                sign(&mut again, &self.0);
                next.run(again, extensions).await
            }
            _ => Ok(response),
        }
    }
}
