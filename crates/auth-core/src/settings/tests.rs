use std::time::Duration;

use super::*;
use crate::{
    AuthenticatorOptions, ErrorKind, Origins, Quota, RefreshPolicy, SecretSource as _,
    SharedSecretSource,
};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Vendor {
    #[serde(default)]
    options: AuthenticatorOptions,
    origins: Option<Origins>,
    secret: Option<SharedSecretSource>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    vendor: Vendor,
}

fn from_toml(text: &str) -> Result<Vendor, Error> {
    let table: toml::Table = text.parse().expect("it is TOML");
    read::<File, _>(table).map(|file| file.vendor)
}

#[track_caller]
fn refuses(text: &str, path: &str, says: &str) {
    let error = from_toml(text).expect_err(text);
    assert_eq!(error.kind(), ErrorKind::Config, "{text}");
    assert_eq!(error.field(), Some(path), "{text}: {error}");
    assert!(error.to_string().contains(says), "{text}: {error}");
}

#[test]
fn every_setting_of_the_options_can_be_written() {
    let vendor = from_toml(
        r#"
        [vendor.options]
        shards = 2
        limit = { concurrent = 16, per_second = 50, max_wait = "10s" }
        quota = { limit = 20, window = "1h", without_store = 2 }
        [vendor.options.policy]
        refresh_at = 0.7
        jitter = 0.1
        margin = "30s"
        default_lifetime = "10m"
        max_lifetime = "1day"
        deadline = "5s"
        min_interval = "500ms"
        backoff = { first = "2s", longest = "1m 30s" }
        max_retry_after = "30m"
        probe_interval = "10m"
        "#,
    );
    let options = vendor.unwrap().options.resolve();
    let seconds = Duration::from_secs;
    let policy = RefreshPolicy::default()
        .refresh_at(0.7)
        .and_then(|policy| policy.jitter(0.1))
        .and_then(|policy| policy.margin(seconds(30)))
        .and_then(|policy| policy.default_lifetime(seconds(600)))
        .and_then(|policy| policy.max_lifetime(seconds(86_400)))
        .and_then(|policy| policy.deadline(seconds(5)))
        .and_then(|policy| policy.min_interval(Duration::from_millis(500)))
        .and_then(|policy| policy.backoff(seconds(2), seconds(90)))
        .map(|policy| policy.max_retry_after(seconds(1800)))
        .and_then(|policy| policy.probe_interval(seconds(600)));
    assert_eq!(*options.policy, policy.unwrap());
    let quota = Quota::new(20, seconds(3600)).and_then(|quota| quota.without_store(2));
    assert_eq!(options.quota, Some(quota.unwrap()));
    assert_eq!(options.shards, 2);
    let limit = format!("{:?}", options.limit.unwrap());
    assert!(limit.contains("16") && limit.contains("10s"), "{limit}");
}

#[test]
fn absent_settings_have_the_defaults_of_the_setters() {
    let options = from_toml("[vendor.options.policy]").unwrap().options;
    let options = options.resolve();
    assert_eq!(*options.policy, RefreshPolicy::default());
    assert!(options.quota.is_none() && options.limit.is_none());
    // The vendor's defaults apply if no policy is written.
    let vendor = from_toml("[vendor]").unwrap().options;
    let default = RefreshPolicy::default().margin(Duration::from_secs(7));
    let default = default.unwrap();
    assert_eq!(
        *vendor.default_policy(default.clone()).resolve().policy,
        default
    );
}

#[test]
fn errors_say_the_path_the_cause_and_what_to_do() {
    for (text, path, says) in [
        (
            "vendor.options.polcy = {}",
            "vendor.options.polcy",
            "unknown field `polcy`",
        ),
        ("vendor.option = {}", "vendor.option", "expected one of"),
        (
            "vendor.options.policy.margin = 30",
            "vendor.options.policy.margin",
            "with a unit",
        ),
        (
            "vendor.options.policy.margin = \"30\"",
            "vendor.options.policy.margin",
            "with a unit",
        ),
        (
            "vendor.options.policy.margin = \"-3s\"",
            "vendor.options.policy.margin",
            "with a unit",
        ),
        (
            "vendor.options.policy.refresh_at = 1.5",
            "vendor.options.policy",
            "`refresh_at`",
        ),
        (
            "vendor.options.policy.deadline = \"0s\"",
            "vendor.options.policy",
            "`deadline`",
        ),
        (
            "vendor.options.policy.backoff = { first = \"1s\" }",
            "vendor.options.policy.backoff",
            "longest",
        ),
        (
            "vendor.options.quota = { limit = 20 }",
            "vendor.options.quota",
            "missing field `window`",
        ),
        (
            "vendor.options.quota = { limit = 0, window = \"1h\" }",
            "vendor.options.quota",
            "quota",
        ),
        (
            "vendor.options.quota = { limit = -1, window = \"1h\" }",
            "vendor.options.quota.limit",
            "-1",
        ),
        (
            "vendor.options.limit = { concurrent = 0 }",
            "vendor.options.limit",
            "at least 1",
        ),
        ("vendor.origins = []", "vendor.origins", "origins"),
        (
            "vendor.origins = [\"http://api.example.com\"]",
            "vendor.origins",
            "is not https",
        ),
        ("vendor.origins = [7]", "vendor.origins[0]", "string"),
        (
            "vendor.origins = \"https://api.example.com\"",
            "vendor.origins",
            "a list",
        ),
        ("vendor.origins = {}", "vendor.origins", "origins"),
        (
            "vendor.origins = { http = [] }",
            "vendor.origins.http",
            "unknown field",
        ),
        ("[vendr]", "vendr", "unknown field"),
        ("", "settings", "missing field `vendor`"),
    ] {
        refuses(text, path, says);
    }
}

#[test]
fn plain_http_needs_its_own_list() {
    let permits = |text: &str, uri: &str| {
        let origins = from_toml(text).unwrap().origins.unwrap();
        origins.permits(&uri.parse().unwrap())
    };
    let both = r#"vendor.origins = { https = ["https://a.example"], danger_allow_http = ["http://b:8080"], subdomains_of = ["https://my.example.com"] }"#;
    assert!(permits(both, "https://a.example/x"));
    assert!(permits(both, "http://b:8080/x"));
    assert!(permits(both, "https://acme.my.example.com/x"));
    assert!(!permits(both, "http://a.example/x"));
    let only_below = r#"vendor.origins = { subdomains_of = ["https://my.example.com"] }"#;
    assert!(permits(only_below, "https://acme.my.example.com/x"));
    let hidden = r#"vendor.origins = { https = ["http://a.example"], danger_allow_http = ["http://b:8080"] }"#;
    refuses(
        hidden,
        "vendor.origins",
        "\"http://a.example\" is not https",
    );
}

#[test]
fn g18_text_in_place_of_a_reference_is_not_repeated() {
    const PLANTED: &str = "fake-secret-71";
    for value in [
        "\"fake-secret-71\"",
        "\"file:\"",
        "\"env:\"",
        "\"vault:fake-secret-71\"",
        "\"\"",
        "71717171",
        "71.717171",
        "true",
        "[\"fake-secret-71\"]",
        "{ file = \"fake-secret-71\" }",
        "1979-05-27",
    ] {
        let error = from_toml(&format!("vendor.secret = {value}")).unwrap_err();
        assert_eq!(error.field(), Some("vendor.secret"), "{value}");
        let text = format!("{error} {error:?}");
        assert!(text.contains("file:/path"), "{value}: {text}");
        for part in [PLANTED, "717171", "1979"] {
            assert!(!text.contains(part), "{value}: {text}");
        }
    }
    // The error of TOML's deserializer for a text quotes the source after its first line.
    let text = toml::Deserializer::parse("secret = \"fake-secret-71\"\nsecrt = 1");
    let error = read::<Vendor, _>(text.unwrap()).unwrap_err();
    assert!(!format!("{error} {error:?}").contains(PLANTED), "{error}");
    // YAML has tags, which serde calls enums: `secret: !vault fake-secret-71`.
    let tag = serde::de::value::StrDeserializer::<serde::de::value::Error>::new(PLANTED);
    let tag = serde::de::value::EnumAccessDeserializer::new(tag);
    let error = SharedSecretSource::deserialize(tag).unwrap_err();
    let text = format!("{error} {error:?}");
    assert!(text.contains("file:/path"), "{text}");
    assert!(!text.contains(PLANTED), "{text}");
    // JSON has kinds of values that TOML lacks.
    for value in ["null", "18446744073709551615", "-3"] {
        let mut json = serde_json::Deserializer::from_str(value);
        let error = read::<SharedSecretSource, _>(&mut json).unwrap_err();
        assert!(error.to_string().contains("file:/path"), "{value}: {error}");
    }
}

#[tokio::test]
async fn a_reference_to_a_file_is_read_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("secret");
    std::fs::write(&path, "fake-secret-1\n").unwrap();
    let table = toml::Table::from_iter([(
        "vendor".to_owned(),
        toml::Table::from_iter([(
            "secret".to_owned(),
            format!("file:{}", path.display()).into(),
        )])
        .into(),
    )]);
    let secret = read::<File, _>(table).unwrap().vendor.secret.unwrap();
    assert_eq!(secret.read().await.unwrap().expose(), "fake-secret-1");
    std::fs::write(&path, "fake-secret-2\n").unwrap();
    assert_eq!(secret.read().await.unwrap().expose(), "fake-secret-2");
    assert!(!format!("{secret:?}").contains("fake-secret"));
}

#[tokio::test]
async fn a_reference_to_a_variable_that_is_not_set_names_the_variable() {
    let vendor = from_toml("vendor.secret = \"env:AUTH_TEST_NOT_SET\"").unwrap();
    let error = vendor.secret.unwrap().read().await.unwrap_err();
    assert_eq!(error.field(), Some("AUTH_TEST_NOT_SET"));
}
