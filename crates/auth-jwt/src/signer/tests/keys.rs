//! Which key signs, and keys that do not fit.

use super::*;

#[tokio::test]
async fn of_several_keys_the_newest_signs() {
    let [old, new] = [(); 2].map(|()| Pair::new(JwtAlgorithm::Es256));
    let other = Pair::new(JwtAlgorithm::Rs256).jwk(None);
    let with = |jwk: Value, member: &str, value: Value| {
        let mut jwk = jwk;
        jwk[member] = value;
        jwk
    };
    let (a, b) = (old.jwk(Some("fake-old")), new.jwk(Some("fake-new")));
    let (a2, b1) = (
        with(a.clone(), "iat", json!(2)),
        with(b.clone(), "iat", json!(1)),
    );
    let encryption = with(b.clone(), "use", json!("enc"));
    let for_another = with(b.clone(), "alg", json!("ES512"));
    let public = {
        let mut public = b.clone();
        public.as_object_mut().unwrap().remove("d");
        public
    };
    for (keys, kid, signs) in [
        (vec![&a, &b], None, "fake-new"),
        (vec![&b, &a], None, "fake-old"),
        (vec![&a2, &b1], None, "fake-old"),
        (vec![&a2, &b], None, "fake-old"),
        (vec![&a, &other, &b], None, "fake-new"),
        (vec![&a, &encryption], None, "fake-old"),
        (vec![&a, &for_another], None, "fake-old"),
        (vec![&a, &public], None, "fake-old"),
        (vec![&a, &b], Some("fake-old"), "fake-old"),
    ] {
        let signer = old.signer(json!({ "keys": keys }).to_string());
        let jwt = sign(&signer.key_id(kid.unwrap_or_default())).await.unwrap();
        assert_eq!(part(&jwt, 0)["kid"], signs);
        let pair = if signs == "fake-new" { &new } else { &old };
        assert!(verifies(&jwt, Algorithm::ES256, &pair.public()));
    }
}

#[tokio::test]
async fn a_key_that_does_not_fit_is_an_error_without_key_material() {
    let ec = Pair::new(JwtAlgorithm::Es256);
    let p384 = Pair::new(JwtAlgorithm::Es384);
    let rsa = Pair::new(JwtAlgorithm::Rs256);
    let set = |keys: &[Value]| json!({ "keys": keys }).to_string();
    let cut = |text: &str| text[..text.len() / 2].to_owned();
    let broken = ec.pem().replace("MI", "AA");
    let mut rsa_without_primes = rsa.jwk(None);
    rsa_without_primes.as_object_mut().unwrap().remove("p");
    let mut short = ec.jwk(None);
    short["d"] = json!("ZmFrZQ");
    let mut public = ec.jwk(None);
    public.as_object_mut().unwrap().remove("d");
    let encrypted = pem::encode(&pem::Pem::new(
        "ENCRYPTED PRIVATE KEY",
        ec.key.serialize_der(),
    ));
    let mut old_form = pem::Pem::new("EC PRIVATE KEY", ec.key.serialize_der());
    old_form
        .headers_mut()
        .add("Proc-Type", "4,ENCRYPTED")
        .unwrap();
    for (text, kid, what) in [
        ("".to_owned(), "", "empty"),
        (" \n".to_owned(), "", "empty"),
        (
            "fake-secret-1".to_owned(),
            "",
            "neither a private key in PEM form nor a JWK",
        ),
        (rsa.pem(), "", "kind P-256; found: RSA"),
        (p384.pem(), "", "kind P-256; found: P-384"),
        (
            set(&[rsa.jwk(None), p384.jwk(None)]),
            "",
            "found: RSA, P-384",
        ),
        (
            json!({ "kty": "oct", "d": "ZmFrZQ" }).to_string(),
            "",
            "another kind",
        ),
        (encrypted, "", "encrypted"),
        (pem::encode(&old_form), "", "encrypted"),
        (
            pem_of("PUBLIC KEY", ec.key.public_key_raw()),
            "",
            "only public keys",
        ),
        (public.to_string(), "", "no private JWK"),
        (set(&[]), "", "without keys"),
        ("{\"fake\":1}".to_owned(), "", "begins like JSON"),
        (cut(&ec.jwk(None).to_string()), "", "begins like JSON"),
        (cut(&ec.pem()), "", "damaged or cut off"),
        (broken, "", "damaged or cut off"),
        (short.to_string(), "", "damaged or cut off"),
        (rsa_without_primes.to_string(), "", "without `p`"),
        (
            set(&[ec.jwk(None), ec.jwk(Some("fake-1"))]),
            "",
            "not every key has a `kid`",
        ),
        (
            format!("{}{}", ec.pem(), ec.pem()),
            "",
            "not every key has a `kid`",
        ),
        (
            format!("{}{}", ec.pem(), ec.pem()),
            "fake-1",
            "no key for ES256 with the `kid`",
        ),
        (
            set(&[ec.jwk(Some("fake-1")), ec.jwk(Some("fake-1"))]),
            "",
            "the same `kid`",
        ),
        (
            ec.jwk(Some("fake-1")).to_string(),
            "fake-2",
            "no key for ES256 with the `kid`",
        ),
    ] {
        let signer = ec.signer(text.clone()).key_id(kid);
        let error = sign(&signer).await.unwrap_err();
        let shown = format!("{error} {error:?} {signer:?}");
        assert_eq!(
            (error.kind(), error.field()),
            (ErrorKind::Config, Some("signing_key"))
        );
        assert!(shown.contains(what), "{what}: {shown}");
        // No eight characters of the text that was read, except words of the formats.
        let parts = text.split(|char: char| !char.is_ascii_alphanumeric());
        for part in parts.filter(|part| part.len() >= 8 && !part.starts_with("ENCRYPTED")) {
            assert!(!shown.contains(part), "{what}: {shown}");
        }
        assert!(
            signer.check(&context()).is_err(),
            "checked when building: {what}"
        );
    }
}

#[test]
fn a_damaged_key_that_only_the_provider_detects_is_an_error() {
    let pair = Pair::new(JwtAlgorithm::Rs256);
    let mut jwk = pair.jwk(None);
    // An RSA key of 64 bits.
    for member in ["n", "e", "d", "p", "q", "dp", "dq", "qi"] {
        jwk[member] = json!("ZmFrZWZha2U");
    }
    let error = pair.signer(jwk.to_string()).check(&context()).unwrap_err();
    assert_eq!(error.field(), Some("signing_key"));
    assert!(
        error.to_string().contains("cannot sign with RS256"),
        "{error}"
    );
}

#[tokio::test]
async fn the_thumbprint_of_the_certificate_is_in_the_header() {
    let pair = Pair::new(JwtAlgorithm::Es256);
    let own = CertificateParams::new(["fake.example".to_owned()]).unwrap();
    let own = own.self_signed(&pair.key).unwrap();
    let issuer = Pair::new(JwtAlgorithm::Es256);
    let issuers = CertificateParams::new(["ca.example".to_owned()]).unwrap();
    let issuers = issuers.self_signed(&issuer.key).unwrap();
    let thumbprint = URL_SAFE_NO_PAD.encode(Sha256::digest(own.der()));
    for text in [
        format!("{}{}", pair.pem(), pem_of("CERTIFICATE", own.der())),
        format!("{}{}", pem_of("CERTIFICATE", own.der()), pair.pem()),
        format!(
            "{}{}{}",
            pair.pem(),
            pem_of("CERTIFICATE", own.der()),
            pem_of("CERTIFICATE", issuers.der())
        ),
        format!(
            "{}{}{}",
            pem_of("CERTIFICATE", own.der()),
            pem_of("CERTIFICATE", issuers.der()),
            pair.pem()
        ),
    ] {
        let jwt = sign(&pair.signer(text)).await.unwrap();
        assert_eq!(part(&jwt, 0)["x5t#S256"], thumbprint);
    }
    let jwt = sign(&pair.signer(pair.pem())).await.unwrap();
    assert!(part(&jwt, 0).get("x5t#S256").is_none());
    let error = sign(&pair.signer(pem_of("CERTIFICATE", own.der())))
        .await
        .unwrap_err();
    assert!(error.to_string().contains("only public keys"), "{error}");
}

#[tokio::test]
async fn a_key_is_read_for_each_assertion() {
    let secret = SecretFn::new(|| std::future::ready(Ok(Secret::new(""))));
    let error = sign(&JwtSigner::new(JwtAlgorithm::Hs256, secret))
        .await
        .unwrap_err();
    assert_eq!(error.field(), Some("signing_key"));
}
