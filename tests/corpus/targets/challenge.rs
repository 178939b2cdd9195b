//! `WWW-Authenticate`, as `auth_tower::AuthLayer` reads it. Input: a header's value a line.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use auth_core::{
    AccessToken, Authenticator, AuthenticatorOptions, Error, Exchange, Origins, TokenSource,
};
use auth_tower::{AuthLayer, StepUp};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Empty;
use tower::{Layer as _, ServiceExt as _, service_fn};

struct Counted(Arc<AtomicUsize>);

impl TokenSource for Counted {
    async fn fetch(&self, _: Exchange) -> Result<AccessToken, Error> {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        let token = AccessToken::new(format!("fake-token-{number}"));
        Ok(token.expires_in(Duration::from_secs(3600)))
    }
}

pub(crate) fn judge(input: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in input.split(|&byte| byte == b'\n').take(100) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(header::WWW_AUTHENTICATE, value);
        }
    }
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    for status in [
        StatusCode::UNAUTHORIZED,
        StatusCode::FORBIDDEN,
        StatusCode::OK,
    ] {
        runtime.block_on(ask(&headers, status));
    }
}

async fn ask(headers: &HeaderMap, status: StatusCode) {
    let (fetches, sends) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
    let origins = Origins::new(["https://api.example.com"]).unwrap();
    let authenticator = Authenticator::builder(Counted(Arc::clone(&fetches)), origins)
        .options(AuthenticatorOptions::new().shards(1))
        .build()
        .unwrap();
    let (sent, answer) = (Arc::clone(&sends), headers.clone());
    let api = service_fn(move |request: Request<Empty<Bytes>>| {
        sent.fetch_add(1, Ordering::Relaxed);
        assert!(request.headers().contains_key(header::AUTHORIZATION));
        let mut response = Response::new(());
        *response.status_mut() = status;
        *response.headers_mut() = answer.clone();
        async { Ok::<_, Error>(response) }
    });
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = "https://api.example.com/".parse().unwrap();
    let service = AuthLayer::new(authenticator).layer(api);
    let response = service.oneshot(request).await.unwrap();

    // The API's answer, after one replay at most; and only a 401 is worth one.
    assert_eq!((response.status(), response.headers()), (status, headers));
    let most = if status == StatusCode::UNAUTHORIZED {
        2
    } else {
        1
    };
    let (fetches, sends) = (
        fetches.load(Ordering::Relaxed),
        sends.load(Ordering::Relaxed),
    );
    assert!((1..=most).contains(&sends), "{status}: {sends} sends");
    assert!(
        (1..=most).contains(&fetches),
        "{status}: {fetches} token requests"
    );
    if let Some(wanted) = response.extensions().get::<StepUp>() {
        assert_eq!(sends, 1, "a new token would be refused again");
        for context in wanted.acr_values() {
            assert!(context.bytes().all(|byte| byte.is_ascii_graphic()));
        }
    }
}
