use auth_core::ErrorKind;

use super::*;

const SECRET: &str = "fake-secret-1";

/// The field of the error, whose text holds no secret.
#[track_caller]
fn wrong(builder: RedisStoreBuilder) -> String {
    assert!(!format!("{builder:?}").contains("fake"), "{builder:?}");
    let error = builder.build().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Config);
    let shown = format!("{error} {error:?}");
    assert!(!shown.contains("fake"), "{shown}");
    error.field().unwrap().to_owned()
}

#[test]
fn a_wrong_url_is_named_and_not_shown() {
    let urls = [
        "",
        "127.0.0.1:6379",
        "http://fake:fake-secret-1@127.0.0.1",
        "redis://fake:fake-secret-1@",
        "redis://fake:fake-secret-1@127.0.0.1:port",
        "redis://fake:fake-secret-1@127.0.0.1/fake",
        "redis://fake:fake-secret-1@127.0.0.1/-1",
        "redis://fake:fake-se#cret-1@127.0.0.1",
        "rediss://fake:fake-secret-1@127.0.0.1#insecure",
        "redis://:%ff-fake@127.0.0.1",
        "unix:///fake/socket",
    ];
    for url in urls {
        assert_eq!(wrong(RedisStore::builder(url)), "url", "{url}");
        assert_eq!(wrong(RedisStore::cluster([url])), "urls", "{url}");
        assert_eq!(wrong(RedisStore::sentinel([url], "m")), "urls", "{url}");
    }
    assert_eq!(wrong(RedisStore::cluster([""; 0])), "urls");
    assert_eq!(wrong(RedisStore::sentinel([""; 0], "m")), "urls");
    assert_eq!(wrong(RedisStore::cluster(["redis://host/1"])), "urls");
    assert_eq!(wrong(RedisStore::sentinel(["redis://host"], "")), "master");
    let two = ["redis://fake:fake-1@one", "redis://fake:fake-2@two"];
    assert_eq!(wrong(RedisStore::cluster(two)), "urls");
    #[cfg(feature = "tls")]
    assert_eq!(
        wrong(RedisStore::cluster(["redis://one", "rediss://two"])),
        "urls"
    );
    #[cfg(not(feature = "tls"))]
    assert_eq!(wrong(RedisStore::builder("rediss://one")), "url");
}

#[test]
fn a_wrong_setting_is_named() {
    let store = || RedisStore::builder("redis://127.0.0.1");
    for prefix in ["", "a b", "a\n", "{a}", "a*", "a?", "[a", "a\\", "é"] {
        assert_eq!(wrong(store().prefix(prefix)), "prefix", "{prefix}");
    }
    assert_eq!(wrong(store().prefix("a".repeat(129))), "prefix");
    for timeout in [Duration::ZERO, Duration::from_secs(61), Duration::MAX] {
        assert_eq!(wrong(store().timeout(timeout)), "timeout");
        assert_eq!(wrong(store().connect_timeout(timeout)), "connect_timeout");
    }
    assert_eq!(wrong(store().username("fake-user")), "password");
    let full = || RedisStore::builder("redis://fake:fake-secret-1@127.0.0.1");
    let password = || Secret::new(SECRET);
    assert_eq!(wrong(full().password(password())), "password");
    let both = full().username("fake-user").password(password());
    assert_eq!(wrong(both), "username");
    #[cfg(feature = "tls")]
    {
        let tls = || RedisStore::builder("rediss://127.0.0.1");
        assert_eq!(wrong(store().ca("")), "ca");
        assert_eq!(wrong(tls().ca("")), "ca");
        let broken = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        assert_eq!(wrong(tls().ca(broken)), "ca");
    }
}

#[test]
fn a_store_shows_its_servers_and_no_secret() {
    let url = "redis://fake-user:fake-secret-1@127.0.0.1:6380/2";
    let one = RedisStore::builder(url).danger_unsealed().build().unwrap();
    let password = Secret::new(SECRET);
    let cluster = RedisStore::cluster(["redis://127.0.0.1:6380", "redis://[::1]"])
        .username("fake-user")
        .password(password)
        .danger_unsealed();
    // Those of the sentinels are theirs.
    let sentinel = RedisStore::sentinel([url], "main")
        .username("fake-user")
        .password(Secret::new(SECRET))
        .danger_unsealed();
    for store in [one, cluster.build().unwrap(), sentinel.build().unwrap()] {
        let shown = format!("{store:?}");
        assert!(shown.contains("127.0.0.1:6380"), "{shown}");
        assert!(!shown.contains("fake"), "{shown}");
    }
}

#[test]
fn nothing_is_put_there_unsealed_by_accident() {
    let store = || RedisStore::builder("redis://127.0.0.1");
    assert_eq!(wrong(store()), "sealing");
    let text = store().build().unwrap_err().to_string();
    assert!(text.contains("openssl rand -base64 32"), "{text}");
    let short = SealingKeys::new(Secret::new("fake"));
    assert_eq!(wrong(store().sealing(short)), "sealing_key");
    let keys = || SealingKeys::new(Secret::new("ab".repeat(32)));
    assert_eq!(wrong(store().sealing(keys())), "name_key");
    let name_key = Secret::new("cd".repeat(32));
    let named = keys().name_key(name_key);
    store().sealing(named).build().unwrap();
    store()
        .sealing(keys().danger_plain_names())
        .build()
        .unwrap();
    store().danger_unsealed().build().unwrap();
}
