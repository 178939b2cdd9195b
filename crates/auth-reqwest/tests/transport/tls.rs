//! Certificates are verified.

use std::sync::Arc;

use auth_core::{ErrorKind, TokenRequestOutcome, Transport};
use auth_reqwest::ReqwestTransport;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use reqwest::Certificate;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::{
    TlsAcceptor,
    rustls::{
        RootCertStore, ServerConfig, pki_types::PrivatePkcs8KeyDer, server::WebPkiClientVerifier,
    },
};

use crate::server::{BODY, CAP, Server, builder, read_request, request};

/// Makes a self-signed server certificate for a name, and the same certificate as a trust root.
fn certificate(name: &str) -> (TlsAcceptor, Certificate) {
    certificate_of(&CertificateParams::new([name.into()]).unwrap())
}

fn certificate_of(parameters: &CertificateParams) -> (TlsAcceptor, Certificate) {
    let signing_key = KeyPair::generate().unwrap();
    let cert = parameters.self_signed(&signing_key).unwrap();
    let key = PrivatePkcs8KeyDer::from(signing_key.serialize_der());
    let config = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key.into())
        .unwrap();
    (
        TlsAcceptor::from(Arc::new(config)),
        Certificate::from_der(cert.der()).unwrap(),
    )
}

/// Runs a server. Returns the text that it read, which is empty if the client ended the handshake.
async fn serve(server: &Server, acceptor: &TlsAcceptor) -> String {
    let Ok(mut peer) = acceptor.accept(server.accept().await).await else {
        return String::new();
    };
    let text = read_request(&mut peer).await;
    peer.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
        .await
        .unwrap();
    peer.shutdown().await.unwrap();
    text
}

fn trusting(root: Certificate) -> ReqwestTransport {
    builder()
        .configure(|client| client.tls_certs_only([root]))
        .build()
        .unwrap()
}

#[tokio::test]
async fn a_trusted_certificate_for_the_host_is_accepted() {
    let (acceptor, root) = certificate("127.0.0.1");
    let server = Server::start().await;
    let url = format!("https://127.0.0.1:{}/token", server.port());
    let transport = trusting(root);
    let (reply, text) = tokio::join!(
        transport.send(request(&url), CAP),
        serve(&server, &acceptor)
    );
    assert_eq!(reply.unwrap().body(), "ok");
    assert!(text.ends_with(BODY));
}

#[tokio::test]
async fn s51_any_other_certificate_is_rejected() {
    let (own, own_root) = certificate("127.0.0.1");
    let (other, other_root) = certificate("auth.example");
    for (cause, acceptor, transport) in [
        ("BadSignature", &own, trusting(other_root.clone())),
        ("UnknownIssuer", &own, builder().build().unwrap()),
        ("auth.example", &other, trusting(other_root)),
        ("BadSignature", &other, trusting(own_root)),
    ] {
        assert_refused(cause, acceptor, &transport).await;
    }
}

#[tokio::test]
async fn s51_an_expired_certificate_is_rejected_and_named() {
    let mut parameters = CertificateParams::new(["127.0.0.1".into()]).unwrap();
    parameters.not_before = date_time_ymd(2000, 1, 1);
    parameters.not_after = date_time_ymd(2001, 1, 1);
    let (acceptor, root) = certificate_of(&parameters);
    assert_refused("certificate expired", &acceptor, &trusting(root)).await;
}

#[tokio::test]
async fn s51_the_default_settings_reject_an_untrusted_certificate() {
    let (acceptor, _) = certificate("127.0.0.1");
    match ReqwestTransport::new() {
        Ok(transport) => assert_refused("", &acceptor, &transport).await,
        // This happens on a machine without root certificates.
        Err(error) => assert_eq!(error.field(), Some("client"), "{error:?}"),
    }
}

/// With TLS 1.3 the server checks the client's certificate while the client already sends.
#[tokio::test]
async fn a_missing_client_certificate_is_named() {
    let key = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new(["127.0.0.1".into()]).unwrap();
    let own = parameters.self_signed(&key).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(own.der().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots)).build();
    let config = ServerConfig::builder()
        .with_client_cert_verifier(verifier.unwrap())
        .with_single_cert(
            vec![own.der().clone()],
            PrivatePkcs8KeyDer::from(key.serialize_der()).into(),
        )
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let transport = trusting(Certificate::from_der(own.der()).unwrap());
    let server = Server::start().await;
    let url = format!("https://127.0.0.1:{}/token", server.port());
    let (reply, ()) = tokio::join!(transport.send(request(&url), CAP), async {
        let accepted = acceptor.accept(server.accept().await).into_fallible().await;
        let (_, mut peer) = accepted.err().unwrap();
        // Reads what the client sent: a connection that is closed with unread bytes is reset, and
        // the alert may be lost.
        peer.read_to_end(&mut Vec::new()).await.unwrap();
    });
    let error = reply.unwrap_err();
    assert_eq!(error.outcome(), TokenRequestOutcome::NotSent);
    let message = error.to_string();
    assert!(
        message.contains(": the server requires a client certificate; set one"),
        "{message}"
    );
}

async fn assert_refused(cause: &str, acceptor: &TlsAcceptor, transport: &ReqwestTransport) {
    let server = Server::start().await;
    let url = format!("https://127.0.0.1:{}/token", server.port());
    let (reply, text) = tokio::join!(transport.send(request(&url), CAP), serve(&server, acceptor));
    let error = reply.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{cause}");
    assert_eq!(error.outcome(), TokenRequestOutcome::NotSent, "{cause}");
    let message = error.to_string();
    let start = format!(
        "token endpoint 127.0.0.1:{}: TLS handshake failed: ",
        server.port()
    );
    assert!(message.starts_with(&start), "{message}");
    assert!(message.contains(cause), "{message}");
    assert_eq!(text, "", "{cause}");
}
