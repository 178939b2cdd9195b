//! Connections by TLS.

use std::{fs, path::PathBuf, time::Duration};

use auth_store_redis::RedisStore;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use libtest_mimic::Trial;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use redis_process::{RedisServer, free_port};

use crate::stand::{all_fail, build, content, key, put, trial};

pub(crate) fn trials() -> Vec<Trial> {
    vec![trial(
        "tls::an_untrusted_server_is_refused",
        an_untrusted_server_is_refused,
    )]
}

async fn an_untrusted_server_is_refused() {
    let dir = std::env::temp_dir().join(format!("auth-redis-tls-{}", std::process::id()));
    fs::create_dir_all(&dir).unwrap();
    let _gone = Directory(dir.clone());
    let authority = authority();
    let own = KeyPair::generate().unwrap();
    let params = CertificateParams::new([String::from("localhost"), String::from("127.0.0.1")]);
    let certificate = params.unwrap().signed_by(&own, &authority).unwrap();
    let (cert, private) = (dir.join("cert.pem"), dir.join("key.pem"));
    fs::write(&cert, pem("CERTIFICATE", certificate.der())).unwrap();
    fs::write(&private, pem("PRIVATE KEY", &own.serialize_der())).unwrap();
    let port = free_port().to_string();
    let server = RedisServer::start(&[
        "--tls-port",
        &port,
        "--tls-cert-file",
        cert.to_str().unwrap(),
        "--tls-key-file",
        private.to_str().unwrap(),
        "--tls-auth-clients",
        "no",
    ]);
    for host in ["localhost", "127.0.0.1"] {
        let url = format!("rediss://{host}:{port}");
        let store = build(RedisStore::builder(&url).ca(pem_of(&authority)));
        let name = key(host);
        put(&store, &name, None, "there").await;
        assert_eq!(content(&store, &name).await.unwrap(), "there");
        for builder in [
            RedisStore::builder(&url),
            RedisStore::builder(&url).ca(pem_of(&self::authority())),
        ] {
            // The system has many certificates, which take a busy machine long to read.
            let builder = builder.timeout(Duration::from_secs(2));
            all_fail(&build(builder), "certificate is not accepted").await;
        }
    }
    // A certificate for another name.
    let url = format!("rediss://127.0.0.2:{port}");
    let other = RedisStore::builder(url).ca(pem_of(&authority));
    all_fail(&build(other), "the connection was refused").await;
    let plain = format!("rediss://{}", server.address());
    let plain = RedisStore::builder(plain).ca(pem_of(&authority));
    all_fail(&build(plain), "").await;
}

/// A directory that is removed with its test.
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn authority() -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new([]).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}

fn pem_of(authority: &CertifiedIssuer<'_, KeyPair>) -> String {
    pem("CERTIFICATE", authority.der())
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}
