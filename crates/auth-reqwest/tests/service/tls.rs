//! A redirect from `https` to `http` is never followed.

use std::sync::Arc;

use auth_reqwest::client_builder;
use rcgen::{CertifiedKey, generate_simple_self_signed};
use reqwest::Certificate;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{ServerConfig, pki_types::PrivatePkcs8KeyDer},
};

use crate::support::{SECRET, following, get, send};

#[tokio::test]
async fn g12_a_redirect_to_http_is_not_followed_to_the_same_host_and_port() {
    let CertifiedKey { cert, signing_key } =
        generate_simple_self_signed(["127.0.0.1".into()]).unwrap();
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key.into())
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let root = Certificate::from_der(cert.der()).unwrap();
    let service = following(client_builder().tls_certs_only([root]));

    for status in [301, 302, 303, 307, 308] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let request = get(&format!("https://127.0.0.1:{port}/"));
        // First a redirect within the origin, to show that redirects are followed, then one to
        // `http`.
        let acceptor = &acceptor;
        let server = async move {
            let mut text = String::new();
            for location in ["/again", &format!("http://127.0.0.1:{port}/plain")] {
                let mut peer = acceptor
                    .accept(listener.accept().await.unwrap().0)
                    .await
                    .unwrap();
                let head = format!(
                    "HTTP/1.1 {status} Go\r\nlocation: {location}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
                );
                let mut bytes = Vec::new();
                while !bytes.ends_with(b"\r\n\r\n") {
                    assert_ne!(peer.read_buf(&mut bytes).await.unwrap(), 0);
                }
                peer.write_all(head.as_bytes()).await.unwrap();
                peer.shutdown().await.unwrap();
                text.push_str(&String::from_utf8(bytes).unwrap());
            }
            // Further connections are refused, so that the test fails and does not wait.
            drop(listener);
            text
        };
        let (response, text) = tokio::join!(send(&service, request), server);
        assert_eq!(response.unwrap().status(), status);
        assert_eq!(text.matches(SECRET).count(), 2, "{text}");
    }
}
