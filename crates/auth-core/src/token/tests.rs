use http::HeaderName;

use super::*;
use crate::{ApiKey, Authenticator, Origins, Scheme};

const KEY: HeaderName = HeaderName::from_static("x-api-key");
const APP: HeaderName = HeaderName::from_static("x-app-id");

async fn token(scheme: Scheme) -> Token {
    let source = ApiKey::new(Secret::new("fake-token"));
    let origins = Origins::new(["https://api.example.com"]).unwrap();
    let builder = Authenticator::builder(source, origins).scheme(scheme);
    builder.build().unwrap().token().await.unwrap()
}

#[tokio::test]
async fn a_token_knows_its_text_and_the_scheme_before_it() {
    let app = |scheme: Scheme| scheme.and_header(APP, "fake-app");
    let json = |scheme: Scheme| scheme.content_type("application/json");
    for (scheme, word) in [
        (Ok(Scheme::bearer()), Some("Bearer")),
        (app(Scheme::bearer()), Some("Bearer")),
        (json(Scheme::bearer()), Some("Bearer")),
        (Scheme::authorization("Token "), Some("Token")),
        (Scheme::authorization(""), None),
        (Scheme::header(KEY), None),
        (Scheme::header(KEY).and_then(app), None),
    ] {
        let token = token(scheme.unwrap()).await;
        assert_eq!(token.scheme(), word);
        assert_eq!(token.secret(), Secret::new("fake-token"), "{word:?}");
    }
}

#[test]
fn a_generation_is_shown_as_its_number() {
    let first = Generation::after(None);
    let second = Generation::after(Some(first));
    assert_eq!(format!("{first} {second:>3}"), "1   2");
}
