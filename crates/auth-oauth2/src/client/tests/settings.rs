//! Wrong settings, and the errors that name them.

use super::*;

#[track_caller]
fn refused(builder: ClientBuilder, field: &str) -> String {
    let error = builder.build().unwrap_err();
    assert_eq!(
        (error.kind(), error.field()),
        (ErrorKind::Config, Some(field)),
        "{error}"
    );
    error.to_string()
}

fn at(url: &str) -> ClientBuilder {
    Client::builder(url, "id", Recorder::default()).secret(Secret::new("fake-secret"))
}

fn good() -> ClientBuilder {
    at(URL)
}

#[test]
fn s51_a_token_url_that_is_not_https_is_an_error() {
    for url in [
        "http://login.example.com/token",
        "http://127.0.0.1/token",
        "ftp://login.example.com/token",
        "login.example.com",
        "/token",
        "",
        "https://",
        "https:///token",
        "https://login.example.com:port/token",
        "https://login.example.com:99999/token",
        "https://login example.com/token",
    ] {
        refused(at(url), "token_url");
    }
    assert!(at("https://login.example.com:8443/token").build().is_ok());
}

#[test]
fn s51_plain_http_is_permitted_only_to_the_listed_origins() {
    for origin in [
        "http://payments:8080",
        "http://payments.default.svc.cluster.local",
        "http://my_service",
        "http://localhost:3000",
        "http://localhost",
        "http://127.0.0.1:8080",
        "http://[::1]:1",
    ] {
        let url = format!("{origin}/token");
        let text = refused(at(&url), "token_url");
        let advice = format!("danger_allow_http(\"{origin}\")");
        assert!(text.contains(&advice), "{text}");
        let named = at(&url).danger_allow_http(origin).unwrap();
        assert!(named.build().is_ok(), "{url}");
    }
    let named = |url: &str| {
        let builder = at(url).danger_allow_http("http://payments:8080").unwrap();
        builder.danger_allow_http("http://127.0.0.1").unwrap()
    };
    for same in ["http://PAYMENTS:8080/", "http://127.0.0.1:80/token"] {
        assert!(named(same).build().is_ok(), "{same}");
    }
    for url in [
        "http://payments/token",
        "http://payments:8081/token",
        "http://payments:80800/token",
        "http://payments.example:8080/token",
        "http://a.payments:8080/token",
        "http://payments:8080@evil.example/token",
        "http://localhost/token",
        "http://127.0.0.1:8080/token",
        "http://127.0.0.2/token",
        "http://127.0.0.1.example.com/token",
        "http://[::ffff:7f00:1]/token",
        "ftp://payments:8080/token",
    ] {
        refused(named(url), "token_url");
    }
    for query_or_fragment in ["?password=fake-password", "#part"] {
        let url = format!("http://payments:8080/token{query_or_fragment}");
        refused(named(&url), "token_url");
    }
}

#[test]
fn s51_an_invalid_origin_in_danger_allow_http_is_an_error() {
    for bad in [
        "payments:8080",
        "https://payments",
        "http://*.mesh.local",
        "http://me:fake-password@payments",
        "",
    ] {
        let error = good().danger_allow_http(bad).unwrap_err();
        assert_eq!(error.field(), Some("danger_allow_http"), "{bad}");
        assert!(!error.to_string().contains("fake-password"), "{error}");
    }
}

#[test]
fn s05_credentials_in_the_token_url_are_an_error() {
    for url in [
        "https://user:fake-password@login.example.com/token",
        "https://user@login.example.com/token",
    ] {
        let text = refused(at(url), "token_url");
        assert_eq!(
            text,
            "setting `token_url`: has user information (user@host); remove it"
        );
    }
    for url in [
        "https://login.example.com/token#client_secret=fake-password",
        "https://login.example.com/token?client_secret=fake-password",
        "https://login.example.com/token?a=b&Client_Secret=fake-password",
        "https://login.example.com/token?client%5Fsecret=fake-password",
        "https://login.example.com/token?password=fake-password",
    ] {
        let text = refused(at(url), "token_url");
        assert!(!text.contains("fake"), "{text}");
    }
}

#[test]
fn s02_a_parameter_given_twice_is_an_error() {
    for name in ["grant_type", "client_id", "scope", "audience", "resource"] {
        refused(at(&format!("{URL}?{name}=x")), "token_url");
    }
    refused(
        at(&format!("{URL}?tenant=x")).extra("tenant", "y"),
        "token_url",
    );
    for name in [
        "grant_type",
        "scope",
        "client_id",
        "client_secret",
        "audience",
        "resource",
        "client_assertion",
        "client_assertion_type",
    ] {
        let text = refused(good().extra(name, "fake-value"), "extra");
        assert!(text.contains(name) && !text.contains("fake"), "{text}");
    }
    refused(
        good().extra("a", "1").extra("b", "2").extra("a", "3"),
        "extra",
    );
    refused(good().extra("", "1"), "extra");
    refused(good().resource("urn:a").resource("urn:a"), "resource");
}

#[test]
fn empty_credentials_are_an_error() {
    let make = |id: &str, secret: &str| {
        Client::builder(URL, id, Recorder::default()).secret(Secret::new(secret))
    };
    refused(make("", "fake-secret"), "client_id");
    let public = Client::builder(URL, "", Recorder::default()).client_auth(ClientAuth::None);
    refused(public, "client_id");
    refused(make("id", ""), "client_secret");
    refused(
        make("a:b", "fake-secret").client_auth(ClientAuth::BasicRaw),
        "client_id",
    );
    assert!(make("a:b", "fake-secret").build().is_ok());
}

#[test]
fn a_scope_with_other_characters_is_an_error() {
    for scope in [
        "a\tb", "a\nb", "a\u{0}", "a  b", " a", "a ", " ", "a\"b", "a\\b", "\u{e9}", "a\u{a0}b",
    ] {
        refused(good().scope(scope), "scope");
    }
    for scope in ["a", "a b", "https://a.example/x.y:read!*'()[]~ b", ""] {
        assert!(good().scope(scope).build().is_ok(), "{scope}");
    }
}

#[test]
fn s37_a_resource_must_be_an_absolute_uri_without_fragment() {
    for uri in [
        "https://a.example/#x",
        "urn:a#",
        "/path",
        "a.example",
        "://a",
        ":x",
        "1a:b",
        "urn:",
        "urn:a b",
        "urn:\u{e9}",
        "ur n:a",
        "urn:<a>",
    ] {
        refused(good().resource(uri), "resource");
    }
    for uri in ["https://a.example", "urn:a:b", "app+x-1.y:z?q"] {
        assert!(good().resource(uri).build().is_ok(), "{uri}");
    }
}

#[test]
fn a_max_reply_of_zero_is_an_error() {
    refused(good().max_reply(0), "max_reply");
}

const WITH_SECRET: [ClientAuth; 5] = [
    ClientAuth::Basic,
    ClientAuth::BasicRaw,
    ClientAuth::Post,
    ClientAuth::BasicWithId,
    ClientAuth::BasicRawWithId,
];

#[test]
fn a_method_that_sends_a_secret_without_a_secret_is_an_error() {
    let without = || Client::builder(URL, "id", Recorder::default());
    let text = refused(without(), "client_secret");
    let advice =
        "`Basic` sends it: set it with `secret`, or set `client_auth` to `ClientAuth::None`";
    assert!(text.contains(advice), "{text}");
    for method in WITH_SECRET {
        refused(without().client_auth(method), "client_secret");
        assert!(good().client_auth(method).build().is_ok());
    }
    for method in [ClientAuth::None, ClientAuth::BasicEmptySecret] {
        assert!(without().client_auth(method).build().is_ok());
    }
}

#[test]
fn a_secret_with_a_method_that_sends_none_is_an_error() {
    for method in [ClientAuth::None, ClientAuth::BasicEmptySecret] {
        for secret in ["fake-secret", ""] {
            let client = Client::builder(URL, "id", Recorder::default());
            let text = refused(
                client.secret(Secret::new(secret)).client_auth(method),
                "client_auth",
            );
            assert!(text.contains(&format!("`{method:?}`")), "{text}");
        }
    }
}

#[test]
fn an_extra_parameter_that_the_grant_sets_is_an_error() {
    let with = |name: &str| good().extra(name, "fake-value").build().unwrap();
    let refused = |error: Option<Error>, name: &str| {
        let error = error.unwrap();
        assert_eq!(
            (error.kind(), error.field()),
            (ErrorKind::Config, Some("extra"))
        );
        let text = error.to_string();
        assert!(text.contains(name) && !text.contains("fake"), "{text}");
    };
    for name in [
        "subject_token",
        "subject_token_type",
        "actor_token",
        "actor_token_type",
        "requested_token_type",
    ] {
        refused(with(name).token_exchange("fake-user-token").err(), name);
    }
    #[cfg(feature = "password")]
    for name in ["username", "password"] {
        let password = Secret::new("fake-word-1");
        refused(with(name).password("me", password).err(), name);
    }
    assert!(with("username").token_exchange("fake-user-token").is_ok());
}
