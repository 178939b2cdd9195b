#![cfg(any(feature = "aws-lc-rs", feature = "rust-crypto"))]

use std::collections::HashSet;

use auth_core::{Moment, SecretFn};
use der::{Decode as _, Encode as _};
use jsonwebtoken::{Algorithm, DecodingKey, crypto::CryptoProvider};
use rcgen::{CertificateParams, KeyPair};
use sha2::{Digest as _, Sha256};

use super::*;

mod keys;

const NOW: u64 = 1_700_000_000;
const ENDPOINT: &str = "https://login.example.com/token";
const ISSUER: &str = "https://login.example.com";

fn context() -> AssertionContext<'static> {
    let now = Moment::new(Duration::from_secs(1), Duration::from_secs(NOW));
    AssertionContext::new("my-client", ENDPOINT, now).with_issuer(ISSUER)
}

/// A private key and its public key.
struct Pair {
    algorithm: JwtAlgorithm,
    key: KeyPair,
}

impl Pair {
    fn new(algorithm: JwtAlgorithm) -> Self {
        let key = KeyPair::generate_for(match algorithm {
            JwtAlgorithm::Es256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            JwtAlgorithm::Es384 => &rcgen::PKCS_ECDSA_P384_SHA384,
            JwtAlgorithm::EdDsa => &rcgen::PKCS_ED25519,
            _ => &rcgen::PKCS_RSA_SHA256,
        });
        Self {
            algorithm,
            key: key.unwrap(),
        }
    }

    fn pem(&self) -> String {
        pem_of("PRIVATE KEY", &self.key.serialize_der())
    }

    fn public(&self) -> DecodingKey {
        let raw = self.key.public_key_raw();
        match self.algorithm {
            JwtAlgorithm::Es256 | JwtAlgorithm::Es384 => DecodingKey::from_ec_der(raw),
            JwtAlgorithm::EdDsa => DecodingKey::from_ed_der(raw),
            _ => DecodingKey::from_rsa_der(raw),
        }
    }

    /// The private key as a JWK, written as other programs write it.
    fn jwk(&self, kid: Option<&str>) -> Value {
        let bytes = self.key.serialize_der();
        let info = pkcs8::PrivateKeyInfoRef::from_der(&bytes).unwrap();
        let inner = info.private_key.as_bytes();
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        let raw = self.key.public_key_raw();
        let mut jwk = match self.algorithm {
            JwtAlgorithm::Es256 | JwtAlgorithm::Es384 => {
                let (crv, size) = match self.algorithm {
                    JwtAlgorithm::Es256 => ("P-256", 32),
                    _ => ("P-384", 48),
                };
                let key = sec1::EcPrivateKey::from_der(inner).unwrap();
                let (x, y) = raw[1..].split_at(size);
                json!({ "kty": "EC", "crv": crv, "d": text(key.private_key), "x": text(x), "y": text(y) })
            }
            JwtAlgorithm::EdDsa => {
                json!({ "kty": "OKP", "crv": "Ed25519", "d": text(&inner[2..34]), "x": text(raw) })
            }
            _ => {
                let key = pkcs1::RsaPrivateKeyRef::from_der(inner).unwrap();
                json!({
                    "kty": "RSA",
                    "n": text(key.modulus.as_bytes()),
                    "e": text(key.public_exponent.as_bytes()),
                    "d": text(key.private_exponent.as_bytes()),
                    "p": text(key.prime1.as_bytes()),
                    "q": text(key.prime2.as_bytes()),
                    "dp": text(key.exponent1.as_bytes()),
                    "dq": text(key.exponent2.as_bytes()),
                    "qi": text(key.coefficient.as_bytes()),
                })
            }
        };
        if let Some(kid) = kid {
            jwk["kid"] = json!(kid);
        }
        jwk
    }

    fn signer(&self, key: impl Into<String>) -> JwtSigner {
        JwtSigner::new(self.algorithm, Secret::new(key.into()))
    }
}

fn pem_of(tag: &str, der: &[u8]) -> String {
    let config = pem::EncodeConfig::new().set_line_ending(pem::LineEnding::LF);
    pem::encode_config(&pem::Pem::new(tag, der), config)
}

async fn sign(signer: &JwtSigner) -> Result<String, Error> {
    let key = signer.read_key().await?;
    let jwt = signer.sign(&key, &context()).await?;
    Ok(jwt.expose().to_owned())
}

fn part(jwt: &str, index: usize) -> Value {
    let part = jwt.split('.').nth(index).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

/// Every provider that is compiled in.
fn providers() -> Vec<&'static CryptoProvider> {
    vec![
        #[cfg(feature = "aws-lc-rs")]
        &jsonwebtoken::crypto::aws_lc::DEFAULT_PROVIDER,
        #[cfg(feature = "rust-crypto")]
        &jsonwebtoken::crypto::rust_crypto::DEFAULT_PROVIDER,
    ]
}

fn verifies(jwt: &str, algorithm: Algorithm, key: &DecodingKey) -> bool {
    let (message, signature) = jwt.rsplit_once('.').unwrap();
    let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
    providers().iter().all(|provider| {
        let verifier = (provider.verifier_factory)(&algorithm, key).unwrap();
        verifier.verify(message.as_bytes(), &signature).is_ok()
    })
}

const ASYMMETRIC: [JwtAlgorithm; 5] = [
    JwtAlgorithm::Es256,
    JwtAlgorithm::Es384,
    JwtAlgorithm::Rs256,
    JwtAlgorithm::Ps256,
    JwtAlgorithm::EdDsa,
];

#[tokio::test]
async fn s32_the_public_key_verifies_the_signature_of_each_key_form() {
    for algorithm in ASYMMETRIC {
        let pair = Pair::new(algorithm);
        let jwk = pair.jwk(Some("fake-kid"));
        let mut only_private = jwk.clone();
        let members = only_private.as_object_mut().unwrap();
        if members["kty"] != "RSA" {
            members.remove("x");
            members.remove("y");
        }
        let file = json!({ "private_key": pair.pem(), "private_key_id": "fake-kid" });
        let windows = pair.pem().replace('\n', "\r\n");
        for (text, kid) in [
            (pair.pem(), None),
            (windows, None),
            (format!("Bag Attributes\n{}\n", pair.pem()), None),
            (jwk.to_string(), Some("fake-kid")),
            (only_private.to_string(), Some("fake-kid")),
            (json!({ "keys": [jwk] }).to_string(), Some("fake-kid")),
            (file.to_string(), Some("fake-kid")),
        ] {
            let jwt = sign(&pair.signer(text)).await.unwrap();
            assert!(
                verifies(&jwt, algorithm.of_jose(), &pair.public()),
                "{algorithm:?}"
            );
            let header = part(&jwt, 0);
            assert_eq!(header["alg"], algorithm.as_str());
            assert_eq!(header.get("kid").and_then(Value::as_str), kid);
            let other = Pair::new(algorithm);
            assert!(!verifies(&jwt, algorithm.of_jose(), &other.public()));
        }
    }
}

#[tokio::test]
async fn s32_keys_in_the_forms_of_openssl_sign() {
    for algorithm in ASYMMETRIC {
        let pair = Pair::new(algorithm);
        let bytes = pair.key.serialize_der();
        let info = pkcs8::PrivateKeyInfoRef::from_der(&bytes).unwrap();
        let inner = info.private_key.as_bytes();
        let text = match algorithm.key_kind().unwrap() {
            crate::key::KeyKind::Rsa => pem_of("RSA PRIVATE KEY", inner),
            crate::key::KeyKind::Ed25519 => continue,
            _ => {
                let curve = info.algorithm.parameters_oid().unwrap();
                let mut key = sec1::EcPrivateKey::from_der(inner).unwrap();
                key.parameters = Some(sec1::EcParameters::NamedCurve(curve));
                let parameters = pem::Pem::new("EC PARAMETERS", curve.to_der().unwrap());
                let key = pem::Pem::new("EC PRIVATE KEY", key.to_der().unwrap());
                pem::encode_many(&[parameters, key])
            }
        };
        let jwt = sign(&pair.signer(text)).await.unwrap();
        assert!(
            verifies(&jwt, algorithm.of_jose(), &pair.public()),
            "{algorithm:?}"
        );
    }
}

/// The name in the header, the length of the signature in bytes, and a key. A new algorithm does
/// not compile without a row.
fn row(algorithm: JwtAlgorithm) -> (&'static str, usize, Secret, DecodingKey) {
    let of_pair = |name, length| {
        let pair = Pair::new(algorithm);
        (name, length, Secret::new(pair.pem()), pair.public())
    };
    match algorithm {
        JwtAlgorithm::Es256 => of_pair("ES256", 64),
        JwtAlgorithm::Es384 => of_pair("ES384", 96),
        JwtAlgorithm::Rs256 => of_pair("RS256", 256),
        JwtAlgorithm::Ps256 => of_pair("PS256", 256),
        JwtAlgorithm::EdDsa => of_pair("EdDSA", 64),
        JwtAlgorithm::Hs256 => {
            let secret = Secret::new("fake-secret-1");
            let public = DecodingKey::from_secret(secret.expose().as_bytes());
            ("HS256", 32, secret, public.unwrap())
        }
    }
}

#[tokio::test]
async fn s32_each_algorithm_is_named_and_verified_and_no_other_verifies_it() {
    let all = ASYMMETRIC.into_iter().chain([JwtAlgorithm::Hs256]);
    let mut names = HashSet::new();
    for algorithm in all {
        let (name, length, key, public) = row(algorithm);
        let jwt = sign(&JwtSigner::new(algorithm, key)).await.unwrap();
        assert!(names.insert(name));
        assert_eq!(
            (algorithm.as_str(), &part(&jwt, 0)["alg"]),
            (name, &json!(name))
        );
        let signature = URL_SAFE_NO_PAD.decode(jwt.rsplit('.').next().unwrap());
        assert_eq!(signature.unwrap().len(), length, "{name}");
        assert!(verifies(&jwt, algorithm.of_jose(), &public), "{name}");
        let claims = jwt.replacen(".e", ".f", 1);
        assert!(!verifies(&claims, algorithm.of_jose(), &public), "{name}");
        // The padding is the only difference between the two.
        let other = match algorithm {
            JwtAlgorithm::Rs256 => Algorithm::PS256,
            JwtAlgorithm::Ps256 => Algorithm::RS256,
            _ => continue,
        };
        assert!(!verifies(&jwt, other, &public), "{name}");
    }
    assert_eq!(names.len(), 6);
}

#[tokio::test]
async fn s32_the_default_claims_are_those_of_rfc_7523() {
    let secret = Secret::new("fake-secret-1");
    let signer = JwtSigner::new(JwtAlgorithm::Hs256, secret.clone());
    let jwt = sign(&signer).await.unwrap();
    let key = DecodingKey::from_secret(secret.expose().as_bytes()).unwrap();
    assert!(verifies(&jwt, Algorithm::HS256, &key));
    assert_eq!(part(&jwt, 0), json!({ "alg": "HS256", "typ": "JWT" }));
    let mut claims = part(&jwt, 1);
    let jti = claims.as_object_mut().unwrap().remove("jti").unwrap();
    assert_eq!(jti.as_str().unwrap().len(), 22, "128 bits");
    assert_eq!(
        claims,
        json!({
            "iss": "my-client", "sub": "my-client", "aud": ISSUER, "iat": NOW, "exp": NOW + 60,
        })
    );
}

#[tokio::test]
async fn each_claim_can_be_set() {
    let signer = JwtSigner::new(JwtAlgorithm::Hs256, Secret::new("fake-secret-1"))
        .issuer("fake-app")
        .subject("user@example.com")
        .audience(JwtAudience::Fixed("https://login.salesforce.com".into()))
        .lifetime(Duration::from_secs(180))
        .unwrap()
        .backdate(Duration::from_secs(60))
        .claim("scope", "read write")
        .unwrap()
        .key_id("fake-kid");
    let jwt = sign(&signer).await.unwrap();
    assert_eq!(part(&jwt, 0)["kid"], "fake-kid");
    let mut claims = part(&jwt, 1);
    claims.as_object_mut().unwrap().remove("jti");
    assert_eq!(
        claims,
        json!({
            "iss": "fake-app", "sub": "user@example.com", "aud": "https://login.salesforce.com",
            "scope": "read write", "iat": NOW - 60, "exp": NOW + 180,
        })
    );
    let bare = signer.without_subject().audience(JwtAudience::Omitted);
    let claims = part(&sign(&bare).await.unwrap(), 1);
    assert!(claims.get("sub").is_none() && claims.get("aud").is_none());
    let endpoint = bare.audience(JwtAudience::TokenEndpoint);
    assert_eq!(part(&sign(&endpoint).await.unwrap(), 1)["aud"], ENDPOINT);
}

#[test]
fn an_error_names_the_wrong_setting() {
    let signer = || JwtSigner::new(JwtAlgorithm::Hs256, Secret::new("fake-secret-1"));
    for name in ["iss", "sub", "aud", "iat", "exp", "jti"] {
        let error = signer().claim(name, 1).unwrap_err();
        assert_eq!(error.field(), Some("claim"), "{name}");
    }
    for millis in [0, 999, 3_600_001] {
        let error = signer()
            .lifetime(Duration::from_millis(millis))
            .unwrap_err();
        assert_eq!(error.field(), Some("lifetime"), "{millis}");
    }
    assert!(signer().lifetime(LONGEST).is_ok() && signer().lifetime(SHORTEST).is_ok());
    let now = Moment::new(Duration::ZERO, Duration::from_secs(NOW));
    let error = signer()
        .check(&AssertionContext::new("my-client", ENDPOINT, now))
        .unwrap_err();
    assert_eq!(error.field(), Some("issuer"));
    assert!(
        error.to_string().contains("ClientBuilder::issuer"),
        "{error}"
    );
}

#[test]
fn s34_every_assertion_has_a_different_jti() {
    let all: HashSet<String> = (0..100_000).map(|_| unique().unwrap()).collect();
    assert_eq!(all.len(), 100_000);
}
