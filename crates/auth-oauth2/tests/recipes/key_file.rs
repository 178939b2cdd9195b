//! Key files that are made for one test run.

use std::sync::OnceLock;

use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};

/// Generating a key is slow, so all tests share one.
fn pair() -> &'static KeyPair {
    static PAIR: OnceLock<KeyPair> = OnceLock::new();
    PAIR.get_or_init(|| KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap())
}

pub(crate) fn rsa() -> String {
    pem("PRIVATE KEY", &pair().serialize_der())
}

pub(crate) fn p256() -> String {
    let pair = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
    pem("PRIVATE KEY", &pair.serialize_der())
}

/// A self-signed certificate for the key.
pub(crate) fn certificate() -> String {
    let certificate = CertificateParams::default().self_signed(pair()).unwrap();
    pem("CERTIFICATE", certificate.der())
}

pub(crate) fn service_account() -> String {
    let key = rsa().replace('\n', "\\n");
    format!(
        r#"{{"type":"service_account","client_email":"my-service@my-project.iam.gserviceaccount.com","private_key_id":"my-key","private_key":"{key}","token_uri":"https://oauth2.googleapis.com/token"}}"#
    )
}

fn pem(label: &str, der: &[u8]) -> String {
    let text = crate::jwt::base64(der);
    format!("-----BEGIN {label}-----\n{text}\n-----END {label}-----\n")
}
