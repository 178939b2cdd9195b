use http::{HeaderName, HeaderValue, header::AUTHORIZATION};

use super::*;
use crate::{ApiKey, Authenticator, Origins, Scheme, TokenRequest, TokenSource};

const KEY: HeaderName = HeaderName::from_static("x-api-key");
const APP: HeaderName = HeaderName::from_static("x-app-id");

async fn token_of(source: impl TokenSource, scheme: Scheme) -> Token {
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
        let source = ApiKey::new(Secret::new("fake-token"));
        let token = token_of(source, scheme.unwrap()).await;
        assert_eq!(token.scheme(), word);
        assert_eq!(token.secret(), Secret::new("fake-token"), "{word:?}");
    }
}

#[test]
fn an_access_token_knows_only_what_the_vendor_stated() {
    let second = Duration::from_secs(1);
    let bare = AccessToken::new("fake-token");
    assert_eq!(bare.secret(), &Secret::new("fake-token"));
    assert_eq!((bare.lifetime(), bare.refresh_hint()), (None, None));
    assert_eq!(
        (bare.granted_scope(), bare.kept_refresh_token()),
        (None, None)
    );
    assert!(!bare.is_permanent());

    let full = AccessToken::new("fake-token")
        .expires_in(3_600 * second)
        .refresh_in(1_800 * second)
        .scope("read write")
        .refresh_token("fake-refresh-token");
    assert_eq!(full.lifetime(), Some(3_600 * second));
    assert_eq!(full.refresh_hint(), Some(1_800 * second));
    assert_eq!(full.granted_scope(), Some("read write"));
    let kept = Secret::new("fake-refresh-token");
    assert_eq!(full.kept_refresh_token(), Some(&kept));
    assert!(!full.is_permanent());

    let key = AccessToken::permanent("fake-key");
    assert!(key.is_permanent());
    assert_eq!(key.lifetime(), Some(Duration::MAX));
    assert_eq!(key.secret(), &Secret::new("fake-key"));
}

/// A source whose tokens have this scope.
struct Scoped(Option<&'static str>);

impl TokenSource for Scoped {
    async fn fetch(&self, _: TokenRequest) -> Result<AccessToken, Error> {
        let token = AccessToken::new("fake-token").expires_in(Duration::from_secs(3_600));
        Ok(match self.0 {
            Some(scope) => token.scope(scope),
            None => token,
        })
    }
}

#[tokio::test]
async fn a_cached_token_has_the_scope_that_was_granted() {
    for scope in [None, Some("read write")] {
        let token = token_of(Scoped(scope), Scheme::bearer()).await;
        assert_eq!(token.granted_scope(), scope);
    }
}

#[test]
fn a_generation_is_shown_as_its_number() {
    let first = Generation::after(None);
    let second = Generation::after(Some(first));
    assert_eq!(format!("{first} {second:>3}"), "1   2");
}

#[test]
fn a_header_holds_the_token_of_one_scheme() {
    let bearer = Scheme::bearer().and_header(APP, "fake-app").unwrap();
    let word = Scheme::authorization("Token ").unwrap();
    let key = Scheme::header(KEY).unwrap();
    assert!(bearer.shares_header(&word) && key.shares_header(&key));
    assert!(!bearer.shares_header(&key) && !key.shares_header(&bearer));

    let mut headers = HeaderMap::new();
    assert!(!bearer.has_token(&headers));
    // A constant header of the scheme is a credential, but not the token.
    headers.insert(APP, HeaderValue::from_static("fake-app"));
    assert!(bearer.is_set(&headers) && !bearer.has_token(&headers));
    headers.insert(AUTHORIZATION, HeaderValue::from_static("Token fake-token"));
    assert!(bearer.has_token(&headers) && word.has_token(&headers));
    assert!(!key.has_token(&headers));
}
