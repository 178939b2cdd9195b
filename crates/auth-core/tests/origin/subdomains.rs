use auth_core::{ErrorKind, Origins};

use crate::permits;

fn salesforce() -> Origins {
    Origins::new(["https://login.salesforce.com"])
        .unwrap()
        .subdomains_of("https://my.salesforce.com")
        .unwrap()
}

#[test]
fn exactly_one_label_below_the_suffix_is_permitted() {
    let origins = salesforce();
    for valid in [
        "https://acme.my.salesforce.com/services/data",
        "https://acme.my.salesforce.com:443/",
        "https://ACME.My.SalesForce.com/",
        "https://acme--dev.my.salesforce.com/",
        "https://xn--bcher-kva.my.salesforce.com/",
        "https://login.salesforce.com/",
    ] {
        assert!(permits(&origins, valid), "{valid}");
    }
    for bad in [
        "https://my.salesforce.com/",
        "https://.my.salesforce.com/",
        "https://evil-my.salesforce.com/",
        "https://evilmy.salesforce.com/",
        "https://a.b.my.salesforce.com/",
        "https://a..my.salesforce.com/",
        "https://acme.my.salesforce.com./",
        "https://acme.my.salesforce.com.evil.example/",
        "https://acme.my.salesforce.com:8443/",
        "https://acme.my.salesforce.com:+443/",
        "https://acme.my.salesforce.com@evil.example/",
        "https://user@acme.my.salesforce.com/",
        "https://evil.example#.my.salesforce.com/",
        "https://evil.example/.my.salesforce.com",
        "https://evil.example?.my.salesforce.com",
        "https://evil.example\\.my.salesforce.com/",
        "https://evil.example%2f.my.salesforce.com/",
        "https://*.my.salesforce.com/",
        "https://[::1].my.salesforce.com/",
        "http://acme.my.salesforce.com/",
        "wss://acme.my.salesforce.com/",
        "https://acme.salesforce.com/",
    ] {
        assert!(!permits(&origins, bad), "{bad}");
    }
}

#[test]
fn the_port_of_the_suffix_counts() {
    let origins = Origins::default()
        .subdomains_of("https://My.Example.com:8443")
        .unwrap();
    assert!(permits(&origins, "https://acme.my.example.com:8443/"));
    assert!(!permits(&origins, "https://acme.my.example.com/"));
}

#[test]
fn a_suffix_that_belongs_to_nobody_is_refused() {
    for bad in [
        "https://com",
        "https://localhost",
        "https://co.uk",
        "https://CO.uk",
        "https://com.au",
        "https://com.br:8443",
        "https://192.0.2.1",
        "https://2.1",
        "https://a.1",
        "https://[2001:db8::1]",
        "https://my.example.com.",
        "https://.example.com",
        "https://u@my.example.com",
        "http://my.example.com",
        "my.example.com",
        "",
    ] {
        let error = Origins::default().subdomains_of(bad).unwrap_err();
        assert_eq!(
            (error.kind(), error.field()),
            (ErrorKind::Config, Some("origins")),
            "{bad}"
        );
    }
}

#[test]
fn without_any_origin_nothing_is_permitted() {
    assert!(!permits(&Origins::default(), "https://api.example.com/"));
}
