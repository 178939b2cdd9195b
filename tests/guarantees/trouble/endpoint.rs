//! The token endpoint cannot be reached, or something else answers in its place.

use super::*;

/// Client credentials over a real transport, to an endpoint that does not answer.
async fn over(seen: &Seen, url: &str, transport: impl Transport) -> Authenticator {
    let client = Client::builder(url, "my-client", transport)
        .secret(Secret::new("fake-secret-1"))
        .build()
        .unwrap();
    let origins = Origins::new([API]).unwrap();
    let authenticator = Authenticator::builder(client.client_credentials(), origins)
        .vendor("example")
        .options(seen.options(AuthenticatorOptions::new()))
        .build()
        .unwrap();
    authenticator.token().await.unwrap_err();
    authenticator
}

struct NoSuchHost;

impl Resolve for NoSuchHost {
    fn resolve(&self, _: Name) -> Resolving {
        let error = io::Error::other("no such host");
        Box::pin(std::future::ready(Err(error.into())))
    }
}

#[tokio::test]
async fn g21_a_name_that_does_not_resolve_is_visible() {
    let seen = Seen::new();
    let _capture = seen.log.install();
    let transport = ReqwestTransport::builder()
        .configure(|client| client.dns_resolver(Arc::new(NoSuchHost)))
        .build()
        .unwrap();
    let authenticator = over(&seen, "https://login.example.test/token", transport).await;
    let health = authenticator.health();
    seen.no_token(
        &health,
        ErrorKind::Unavailable,
        "login.example.test",
        "no such host",
    );
}

#[tokio::test]
async fn g21_an_endpoint_without_tls_is_visible() {
    let seen = Seen::new();
    let _capture = seen.log.install();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let plain = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            stream.readable().await.unwrap();
            let _ = stream.try_write(b"HTTP/1.1 400 Bad Request\r\n\r\n");
        }
    });
    let transport = ReqwestTransport::builder().build().unwrap();
    let authenticator = over(&seen, &format!("https://{host}/token"), transport).await;
    plain.abort();
    let health = authenticator.health();
    seen.no_token(&health, ErrorKind::Unavailable, "127.0.0.1", "");
}

#[tokio::test(start_paused = true)]
async fn g21_a_page_of_a_proxy_is_visible() {
    let seen = Seen::new();
    let stack = seen.stack();
    let _capture = seen.log.install();
    stack.server.token().always(Reply::html());
    stack.get().await.unwrap_err();
    let host = host_of(stack.server.token_origin());
    let health = stack.authenticator.health();
    seen.no_token(&health, ErrorKind::Protocol, host, "");
}
