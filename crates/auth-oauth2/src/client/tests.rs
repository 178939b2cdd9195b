use std::{sync::Mutex, time::Duration};

use auth_core::{
    Clock, ErrorKind, SecretFn, TokenRequest, TokenRequestOutcome, TokenRequestReason,
    TokenSource as _,
};

use super::*;
use crate::ClientCredentials;
use crate::testing::{Recorder, TOKEN, WITH_REFRESH_TOKEN, credentials, fetch, reply, send};

mod settings;

const URL: &str = "https://login.example.com/oauth2/token";

fn builder(transport: &Recorder) -> ClientBuilder {
    let secret = Secret::new("fake-secret/1+2");
    Client::builder(URL, "my client", transport.clone()).secret(secret)
}

fn source(builder: ClientBuilder) -> ClientCredentials {
    builder.build().unwrap().client_credentials()
}

#[tokio::test(start_paused = true)]
async fn a_wider_scope_is_asked_for_in_place_of_the_clients_own() {
    let transport = Recorder::default();
    let client = builder(&transport).scope("read").build().unwrap();
    let source = client.client_credentials();
    assert_eq!(source.own_scope(), Some("read"));
    let credentials = source.credentials().await.unwrap();
    let token_request = TokenRequest::new(TokenRequestReason::Ahead).credentials(credentials);
    let token = source
        .fetch(token_request.clone().scope("read write"))
        .await
        .unwrap();
    assert!(
        transport.last_body().contains("scope=read+write"),
        "{}",
        transport.last_body()
    );
    assert_eq!(transport.last_body().matches("scope=").count(), 1);
    // The reply says nothing, so all that was asked for counts as granted.
    assert_eq!(token.granted_scope(), Some("read write"));
    source.fetch(token_request).await.unwrap();
    assert!(transport.last_body().ends_with("scope=read"));
    let without = builder(&transport).build().unwrap().client_credentials();
    assert_eq!(without.own_scope(), Some(""));
}

#[tokio::test]
async fn s01_golden_request_by_default() {
    let transport = Recorder::default();
    let source = builder(&transport)
        .scope("read write")
        .build()
        .unwrap()
        .client_credentials();
    let token = fetch(&source).await.unwrap();
    assert_eq!(token.secret().expose(), "fake-token");
    assert_eq!(token.lifetime(), Some(Duration::from_secs(3600)));
    assert_eq!(
        token.granted_scope(),
        Some("read write"),
        "s11: absent means as requested"
    );

    let request = transport.request(0);
    assert_eq!(request.method(), "POST");
    assert_eq!(*request.uri(), URL);
    assert_eq!(
        request.headers()["content-type"],
        "application/x-www-form-urlencoded"
    );
    assert_eq!(request.headers()["accept"], "application/json");
    // base64 of `my+client:fake-secret%2F1%2B2`
    let basic = "Basic bXkrY2xpZW50OmZha2Utc2VjcmV0JTJGMSUyQjI=";
    assert_eq!(request.headers()["authorization"], basic);
    assert!(request.headers()["authorization"].is_sensitive());
    assert_eq!(request.headers()["accept-encoding"], "identity");
    assert_eq!(request.headers().len(), 4);
    assert_eq!(
        request.body(),
        "grant_type=client_credentials&scope=read+write"
    );
}

#[tokio::test]
async fn s01_golden_bodies_with_everything() {
    let transport = Recorder::default();
    let full = || {
        builder(&transport)
            .client_auth(ClientAuth::Post)
            .scope("read")
            .audience("https://api.example.com/")
            .resource("https://a.example/x?y=1")
            .resource("urn:example:b")
            .extra("tenant", "a&b=c")
    };
    fetch(&source(full())).await.unwrap();
    assert_eq!(
        transport.last_body(),
        "grant_type=client_credentials&client_id=my+client&client_secret=fake-secret%2F1%2B2\
         &scope=read&audience=https%3A%2F%2Fapi.example.com%2F\
         &resource=https%3A%2F%2Fa.example%2Fx%3Fy%3D1&resource=urn%3Aexample%3Ab&tenant=a%26b%3Dc",
    );
    fetch(&source(full().body_format(BodyFormat::Json)))
        .await
        .unwrap();
    assert_eq!(
        transport.last_body(),
        r#"{"grant_type":"client_credentials","client_id":"my client","#.to_owned()
            + r#""client_secret":"fake-secret/1+2","scope":"read","#
            + r#""audience":"https://api.example.com/","#
            + r#""resource":["https://a.example/x?y=1","urn:example:b"],"tenant":"a&b=c"}"#,
    );
    assert_eq!(
        transport.request(1).headers()["content-type"],
        "application/json"
    );
}

#[tokio::test]
async fn s02_an_empty_parameter_is_left_out() {
    let transport = Recorder::default();
    let source = builder(&transport)
        .scope("")
        .audience("")
        .resource("")
        .extra("tenant", "")
        .build()
        .unwrap()
        .client_credentials();
    fetch(&source).await.unwrap();
    assert_eq!(transport.last_body(), "grant_type=client_credentials");
}

#[tokio::test]
async fn s05_credentials_are_sent_by_one_method_and_never_in_the_url() {
    for method in [ClientAuth::Basic, ClientAuth::BasicRaw, ClientAuth::Post] {
        for format in [BodyFormat::Form, BodyFormat::Json] {
            let transport = Recorder::default();
            let source = builder(&transport).client_auth(method).body_format(format);
            fetch(&source.build().unwrap().client_credentials())
                .await
                .unwrap();
            let request = transport.request(0);
            assert_eq!(request.uri().query(), None);
            let in_header = request.headers().contains_key("authorization");
            let body = transport.last_body();
            for name in ["client_id", "client_secret"] {
                assert_ne!(in_header, body.contains(name), "{method:?} {format:?}");
            }
        }
    }
}

#[tokio::test]
async fn the_query_of_the_token_url_is_kept() {
    let transport = Recorder::default();
    let url = "https://login.example.com/token?tenant=a%20b";
    let secret = Secret::new("fake-secret");
    let source = Client::builder(url, "id", transport.clone())
        .secret(secret)
        .build()
        .unwrap()
        .client_credentials();
    fetch(&source).await.unwrap();
    assert_eq!(*transport.request(0).uri(), url);
}

#[tokio::test]
async fn s14_a_rejection_is_followed_by_no_second_request() {
    for status in [400, 401, 403, 429, 500] {
        let transport = Recorder::answering([reply(status, "")]);
        let source = builder(&transport).build().unwrap().client_credentials();
        assert!(fetch(&source).await.is_err());
        assert_eq!(transport.calls(), 1, "{status}");
    }
}

#[tokio::test]
async fn t09_a_reply_larger_than_max_reply_is_an_error() {
    let transport = Recorder::answering([reply(200, TOKEN), reply(200, TOKEN)]);
    fetch(&source(builder(&transport))).await.unwrap();
    assert_eq!(transport.max_reply(0), 64 * 1024);
    let source = builder(&Recorder::default())
        .max_reply(TOKEN.len())
        .build()
        .unwrap()
        .client_credentials();
    assert!(fetch(&source).await.is_ok());
    let source = builder(&transport)
        .max_reply(TOKEN.len() - 1)
        .build()
        .unwrap()
        .client_credentials();
    let error = fetch(&source).await.unwrap_err();
    assert_eq!(transport.max_reply(1), TOKEN.len() - 1);
    assert_eq!(error.kind(), ErrorKind::Protocol);
    assert_eq!(
        error.to_string(),
        "login.example.com: token endpoint's reply is too large"
    );
}

#[tokio::test]
async fn g18_every_secret_that_was_sent_is_scrubbed_from_an_echo() {
    let basic = "bXkrY2xpZW50OmZha2Utc2VjcmV0JTJGMSUyQjI=";
    for echo in [
        "fake-secret/1+2",
        "fake-secret%2f1%2b2",
        basic,
        "fake-extra-value",
    ] {
        let body = format!(r#"{{"error":"invalid_client","error_description":"got {echo}"}}"#);
        let transport = Recorder::answering([reply(401, &body)]);
        let source = builder(&transport)
            .vendor("example")
            .extra("key", "fake-extra-value");
        let error = fetch(&source.build().unwrap().client_credentials())
            .await
            .unwrap_err();
        let text = "example: token endpoint answered 401 with `invalid_client`: got ***";
        assert_eq!(error.to_string(), text);
    }
}

#[tokio::test]
async fn s28_a_retry_after_date_is_measured_by_the_clients_clock() {
    #[derive(Debug)]
    struct Stopped;
    impl Clock for Stopped {
        fn now(&self) -> Moment {
            Moment::new(Duration::ZERO, Duration::from_secs(784_111_777))
        }
    }
    let mut throttled = reply(429, "");
    let date = "Sun, 06 Nov 1994 08:50:37 GMT".parse().unwrap();
    throttled.headers_mut().insert("retry-after", date);
    let source = builder(&Recorder::answering([throttled]))
        .clock(Stopped)
        .build()
        .unwrap()
        .client_credentials();
    let error = fetch(&source).await.unwrap_err();
    assert_eq!(error.retry_after(), Some(Duration::from_secs(60)));
}

#[tokio::test]
async fn the_secret_is_read_for_each_token_request() {
    let transport = Recorder::default();
    let secrets = Mutex::new(vec!["fake-secret-b", "fake-secret-a"]);
    let secret = SecretFn::new(move || {
        let next = secrets.lock().unwrap().pop().unwrap();
        async move { Ok(Secret::new(next)) }
    });
    let source = Client::builder(URL, "id", transport.clone())
        .secret(secret)
        .client_auth(ClientAuth::Post)
        .build()
        .unwrap()
        .client_credentials();
    for secret in ["fake-secret-a", "fake-secret-b"] {
        fetch(&source).await.unwrap();
        assert!(transport.last_body().ends_with(secret));
    }
}

#[tokio::test]
async fn a_secret_that_cannot_be_read_sends_nothing() {
    let transport = Recorder::default();
    let broken = || Error::new(ErrorKind::Unavailable, "vault: sealed");
    let secret = SecretFn::new(move || async move { Err(broken()) });
    let source = Client::builder(URL, "id", transport.clone())
        .secret(secret)
        .build()
        .unwrap()
        .client_credentials();
    let error = fetch(&source).await.unwrap_err();
    assert_eq!(error.to_string(), "vault: sealed");
    assert_eq!(error.outcome(), TokenRequestOutcome::NotSent);

    let secret = SecretFn::new(|| async { Ok(Secret::new("")) });
    let source = Client::builder(URL, "id", transport.clone())
        .secret(secret)
        .build()
        .unwrap()
        .client_credentials();
    let error = fetch(&source).await.unwrap_err();
    assert_eq!(
        (error.kind(), error.field()),
        (ErrorKind::Config, Some("client_secret"))
    );
    assert_eq!(transport.calls(), 0);
}

#[tokio::test]
async fn g06_a_changed_secret_changes_the_credentials_identity() {
    let now = Arc::new(Mutex::new(Ok("fake-secret-a")));
    let secret = SecretFn::new({
        let now = now.clone();
        move || {
            let now = now.lock().unwrap().clone();
            async move { now.map(Secret::new) }
        }
    });
    let source = Client::builder(URL, "id", Recorder::default())
        .secret(secret)
        .build()
        .unwrap()
        .client_credentials();
    let old = credentials(&source).await;
    assert_eq!(credentials(&source).await, old);
    *now.lock().unwrap() = Ok("fake-secret-b");
    let new = credentials(&source).await;
    assert_ne!(new, old);
    assert_eq!(new.secret(0), Some(&Secret::new("fake-secret-b")));
    for unreadable in [
        Ok(""),
        Err(Error::new(ErrorKind::Unavailable, "vault: sealed")),
    ] {
        *now.lock().unwrap() = unreadable;
        let error = source.credentials().await.unwrap_err();
        assert_eq!(error.outcome(), TokenRequestOutcome::NotSent);
    }
}

#[tokio::test]
async fn the_secrets_in_the_credentials_are_sent_without_a_second_read() {
    let transport = Recorder::default();
    let secret = SecretFn::new(|| async { panic!("the secret is read a second time") });
    let source = Client::builder(URL, "id", transport.clone())
        .secret(secret)
        .client_auth(ClientAuth::Post)
        .build()
        .unwrap()
        .client_credentials();
    let account = Credentials::new(&["id"], [Secret::new("fake-secret-1")]);
    let token_request = TokenRequest::new(TokenRequestReason::Needed).credentials(account);
    source.fetch(token_request).await.unwrap();
    assert!(transport.last_body().ends_with("fake-secret-1"));

    let without = TokenRequest::new(TokenRequestReason::Needed);
    let error = source.fetch(without).await.unwrap_err();
    assert_eq!(error.field(), Some("TokenRequest::credentials"));
    assert_eq!(transport.calls(), 1);
}

#[test]
fn g18_debug_shows_no_secret() {
    let builder = builder(&Recorder::default())
        .extra("key", "fake-extra")
        .vendor("example");
    let mut shown = format!("{builder:?}");
    shown.push_str(&format!("{:?}", source(builder)));
    assert!(!shown.contains("fake-"), "{shown}");
    assert_eq!(shown.matches("vendor: ").count(), 2, "{shown}");
}

#[tokio::test]
async fn s06_client_credentials_ignore_a_refresh_token() {
    let transport = Recorder::answering([reply(200, WITH_REFRESH_TOKEN)]);
    // Also with rules that read refresh tokens.
    let rules = ReplyRules::new().refresh_token();
    let source = builder(&transport)
        .reply_rules(rules)
        .build()
        .unwrap()
        .client_credentials();
    assert!(!source.keeps_refresh_tokens());
    let token = fetch(&source).await.unwrap();
    assert!(token.kept_refresh_token().is_none());
    let token_request =
        TokenRequest::new(TokenRequestReason::Needed).refresh_token("fake-refresh-1");
    send(&source, token_request).await.unwrap();
    assert_eq!(transport.last_body(), "grant_type=client_credentials");
}

#[tokio::test]
async fn the_account_is_made_of_client_id_and_token_endpoint() {
    let with = |url: &str, id: &str| {
        let secret = Secret::new("fake-secret-1");
        Client::builder(url, id, Recorder::default()).secret(secret)
    };
    let id = async |builder: ClientBuilder| {
        let source = source(builder);
        credentials(&source).await.id().unwrap()
    };
    let own = id(with(URL, "my-client")).await;
    let same = with(URL, "my-client")
        .scope("read")
        .audience("reports")
        .resource("urn:example:a")
        .extra("tenant", "7")
        .body_format(BodyFormat::Json);
    assert_eq!(id(same).await, own);
    let same = with("https://LOGIN.example.com:443/oauth2/token", "my-client");
    assert_eq!(id(same).await, own);
    for other in [
        with("https://login.example.com/other", "my-client"),
        with(URL, "my-other-client"),
        with(URL, "my-client").client_auth(ClientAuth::Post),
    ] {
        assert_ne!(id(other).await.account(), own.account());
    }
    assert!(
        !credentials(&source(with(URL, "my-client")))
            .await
            .is_lockable()
    );
}

#[tokio::test]
async fn a_thousand_users_share_the_settings_of_one_client() {
    let transport = Recorder::default();
    let client = builder(&transport).scope("read").build().unwrap();
    let sources: Vec<_> = (0..1_000)
        .map(|user| {
            client
                .token_exchange(format!("fake-user-token-{user}"))
                .unwrap()
        })
        .collect();
    assert_eq!(Arc::strong_count(&client.0), 1_001);
    for user in [0, 999] {
        fetch(&sources[user]).await.unwrap();
        let subject = format!("&subject_token=fake-user-token-{user}&");
        assert!(transport.last_body().contains(&subject));
    }
    drop(sources);
    assert_eq!(Arc::strong_count(&client.0), 1);
}

#[tokio::test]
async fn each_grant_of_one_client_sends_its_own_parameters() {
    let transport = Recorder::default();
    let client = builder(&transport).scope("read").build().unwrap();
    fetch(&client.client_credentials()).await.unwrap();
    let body = "grant_type=client_credentials&scope=read";
    assert_eq!(transport.last_body(), body);
    let source = client.refresh_token(Secret::new("fake-refresh-0")).unwrap();
    let token_request =
        TokenRequest::new(TokenRequestReason::Needed).refresh_token("fake-refresh-0");
    send(&source, token_request).await.unwrap();
    let body = "grant_type=refresh_token&refresh_token=fake-refresh-0&scope=read";
    assert_eq!(transport.last_body(), body);
    #[cfg(feature = "password")]
    {
        let source = client.password("me", Secret::new("fake-word-1")).unwrap();
        fetch(&source).await.unwrap();
        let body = "grant_type=password&username=me&password=fake-word-1&scope=read";
        assert_eq!(transport.last_body(), body);
    }
    fetch(&client.token_exchange("fake-user-token").unwrap())
        .await
        .unwrap();
    assert!(transport.last_body().ends_with("access_token&scope=read"));
}

#[tokio::test]
async fn an_error_has_vendor_step_and_host_as_fields() {
    for (builder, vendor) in [
        (
            Client::builder(URL, "id", Recorder::answering([reply(401, "")])),
            "login.example.com",
        ),
        // The vendor's name begins with the words of an error text.
        (
            Client::builder(URL, "id", Recorder::answering([reply(401, "")])).vendor("token"),
            "token",
        ),
    ] {
        let source = source(builder.client_auth(ClientAuth::None));
        let error = fetch(&source).await.unwrap_err();
        let fields = (error.vendor(), error.step(), error.host());
        let expected = (
            Some(vendor),
            Some("token request"),
            Some("login.example.com"),
        );
        assert_eq!(fields, expected);
        let text = format!("{vendor}: token endpoint answered 401 with ");
        assert!(error.to_string().starts_with(&text), "{error}");
    }
    let source = source(builder(&Recorder::answering([reply(200, TOKEN)])).max_reply(1));
    let error = fetch(&source).await.unwrap_err();
    assert_eq!(
        (error.step(), error.host()),
        (Some("token request"), Some("login.example.com"))
    );
}
