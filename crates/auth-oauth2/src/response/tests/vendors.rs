//! Replies that differ from RFC 6749 in the ways that the rules allow.

use super::*;

#[test]
fn the_token_may_have_another_name() {
    let rules = ReplyRules::new()
        .token_member("token")
        .allow_missing_token_type()
        .default_lifetime(Duration::from_secs(36_000));
    let read = |body: &'static str| {
        let reply = Response::new(Bytes::from(body));
        parse_reply("example", reply, &rules, &Scrubber::new(), Moment::PAST)
    };
    let token = read(r#"{"name":"me","token":"fake-token","redirectUrl":null}"#).unwrap();
    assert_eq!(token.secret().expose(), "fake-token");
    assert_eq!(token.lifetime(), Some(Duration::from_secs(36_000)));
    let stated = read(r#"{"token":"fake-token","expires_in":"60"}"#).unwrap();
    assert_eq!(stated.lifetime(), Some(Duration::from_secs(60)));
    let null = read(r#"{"token":"fake-token","expires_in":null}"#).unwrap();
    assert_eq!(null.lifetime(), Some(Duration::from_secs(36_000)));
    let error = read(r#"{"access_token":"fake-token"}"#).unwrap_err();
    assert!(error.to_string().contains("`token`"), "{error}");
    let twice = read(r#"{"token":null,"token":"fake-token"}"#).unwrap_err();
    assert!(twice.to_string().contains("twice"), "{twice}");
}

#[test]
fn a_json_success_without_a_token_may_have_spent_the_refresh_token() {
    let outcome = |media_type: Option<&str>, body: &'static [u8]| {
        let mut reply = Response::new(Bytes::from(body));
        if let Some(name) = media_type {
            let name = name.parse().unwrap();
            reply.headers_mut().insert("content-type", name);
        }
        let rules = ReplyRules::new();
        let error = parse_reply("example", reply, &rules, &Scrubber::new(), Moment::PAST);
        let error = error.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Protocol, "{error}");
        error.outcome()
    };
    let json = Some("application/json; charset=utf-8");
    for (media_type, body) in [
        (None, b"{\"access_token\":\"fake-tok".as_slice()),
        (None, b"{}"),
        (None, b"{\"access_token\":\"fake-token\"}"),
        (None, b"{\"access_token\":\"\xff\"}"),
        (None, b"[1]"),
        (None, b"access_token=fake-token"),
        (json, b""),
        (json, b"fake-token"),
        (json, b"\x1f\x8b\x08"),
        (json, b"\xff\xfe{\0"),
        (Some("text/html"), b"{\"access_token\":\"fake-tok"),
    ] {
        let found = outcome(media_type, body);
        assert_eq!(found, TokenRequestOutcome::Unknown, "{body:?}");
    }
    for (media_type, body) in [
        (None, b"".as_slice()),
        (None, b"<html>"),
        (None, b"welcome"),
        (json, b"<html>"),
        (Some("text/html"), b""),
        (Some("text/plain"), b"welcome"),
    ] {
        let found = outcome(media_type, body);
        assert_eq!(found, TokenRequestOutcome::NotUnderstood, "{body:?}");
    }
}

#[test]
fn a_scope_that_was_not_granted_rejects_the_request() {
    let rules = ReplyRules::new().require_scopes(["read"]);
    let error = read_with(&rules, 200, with("")).unwrap_err();
    assert_eq!(error.outcome(), TokenRequestOutcome::Rejected);
    assert_eq!(error.rejected_part(), Some(RejectedPart::Request));
}

#[test]
fn commas_separate_scopes_unless_a_scope_has_one() {
    let granted = |rules: &ReplyRules, scope: &str| {
        let token = read_with(rules, 200, with(&format!(r#","scope":{scope}"#))).unwrap();
        token.granted_scope().map(str::to_owned)
    };
    let rules = ReplyRules::new().require_scopes(["repo"]);
    for scope in [
        r#""repo,gist""#,
        r#""repo, gist""#,
        r#"["repo,gist"]"#,
        r#"",repo,,gist,""#,
    ] {
        assert_eq!(granted(&rules, scope).unwrap(), "repo gist", "{scope}");
    }
    assert_eq!(granted(&ReplyRules::new(), r#""a,b""#).unwrap(), "a b");
    assert_eq!(granted(&ReplyRules::new(), r#"",""#), None);
    for rules in [
        ReplyRules::new().requested_scope("site:1,2 read"),
        ReplyRules::new().require_scopes(["site:1,2"]),
    ] {
        let found = granted(&rules, r#""site:1,2 read""#).unwrap();
        assert_eq!(found, "site:1,2 read");
    }
}

#[test]
fn s09_a_vendors_own_token_type_needs_a_rule() {
    let rules = ReplyRules::new().token_types(["BearerToken"]);
    let typed = |name: &str| format!(r#"{{"access_token":"f","token_type":"{name}"}}"#);
    for name in ["BearerToken", "bearertoken", "Bearer"] {
        assert!(read_with(&rules, 200, typed(name)).is_ok(), "{name}");
    }
    protocol(read(typed("BearerToken")), "`token_type` is not Bearer");
    protocol(read_with(&rules, 200, typed("mac")), "is not Bearer");
}

#[test]
fn an_empty_lifetime_counts_as_missing_with_a_default_lifetime() {
    let hour = Duration::from_secs(3_600);
    let rules = ReplyRules::new().default_lifetime(hour);
    let lifetime = |json: &str| {
        let token = read_with(&rules, 200, with(&format!(r#","expires_in":{json}"#)))?;
        Ok(token.lifetime())
    };
    assert_eq!(lifetime(r#""""#).unwrap(), Some(hour));
    assert_eq!(lifetime(r#""60""#).unwrap(), seconds(60));
    let error: Error = lifetime(r#"" ""#).unwrap_err();
    protocol(Err(error), "`expires_in` is neither");
}

/// Otherwise the token would be used for the default lifetime of the policy.
#[test]
fn a_lifetime_under_an_unknown_name_is_an_error() {
    for name in [
        "expiresIn",
        "ExpiresIn",
        "expires-in",
        "expires",
        "expires_at",
        "expiresAt",
        "expires_on",
        "expiration",
        "expiry",
        "exp",
        "ttl",
        "validUntil",
    ] {
        let body = |value: &str| with(&format!(r#","{name}":{value}"#));
        for value in ["60", "\"60\"", "\"2030-01-01T00:00:00Z\""] {
            protocol(read(body(value)), &format!("says `{name}`"));
        }
        for empty in ["null", "false", "{}", "\"\""] {
            assert_eq!(read(body(empty)).unwrap().lifetime(), None);
        }
        let beside = body("60").replace('}', r#","expires_in":7}"#);
        assert_eq!(read(beside).unwrap().lifetime(), seconds(7), "{name}");
        let rules = ReplyRules::new().lifetime_member(name);
        let token = read_with(&rules, 200, body("60")).unwrap();
        assert_eq!(token.lifetime(), seconds(60), "{name}");
        let rules = ReplyRules::new().default_lifetime(Duration::from_secs(7));
        let token = read_with(&rules, 200, body("60")).unwrap();
        assert_eq!(token.lifetime(), seconds(7), "{name}");
    }
    for name in [
        "issued_at",
        "ext_expires_in",
        "not-before-policy",
        "explain",
    ] {
        let token = read(with(&format!(r#","{name}":60"#))).unwrap();
        assert_eq!(token.lifetime(), None, "{name}");
    }
}

#[test]
fn an_error_names_the_configured_lifetime_that_is_not_a_number() {
    let rules = ReplyRules::new().lifetime_member("expires");
    let result = read_with(&rules, 200, with(r#","expires":"soon""#));
    protocol(result, "`expires` is neither a number");
    let both = read_with(&rules, 200, with(r#","expires":60,"expires_in":7"#));
    assert_eq!(
        both.unwrap().lifetime(),
        seconds(7),
        "the standard's member takes precedence"
    );
}

#[test]
fn a_reply_may_be_wrapped_and_in_camel_case() {
    let rules = ReplyRules::new()
        .wrapped_in("data")
        .camel_case()
        .refresh_token();
    let members = r#""accessToken":"fake-token","tokenType":"Bearer","expiresIn":"60","refreshToken":"fake-refresh-1""#;
    for body in [
        format!("{{{members}}}"),
        format!(r#"{{"code":"ok","data":{{{members}}},"x":1}}"#),
    ] {
        let token = read_with(&rules, 200, body.clone()).unwrap();
        assert_eq!(token.secret().expose(), "fake-token");
        assert_eq!(token.lifetime(), seconds(60));
        assert_eq!(
            token.kept_refresh_token().unwrap().expose(),
            "fake-refresh-1"
        );
        assert!(read(body).is_err(), "not without the rules");
    }
    let twice = format!(r#"{{{members},"data":{{{members}}}}}"#);
    protocol(read_with(&rules, 200, twice), "a member that occurs twice");
    let deep = format!(r#"{{"data":{{"data":{{{members}}}}}}}"#);
    protocol(
        read_with(&rules, 200, deep),
        "has no valid `access_token`; if the vendor",
    );
    // A wrapper that is not an object is an ordinary member.
    let text = with(r#","data":"x""#);
    assert!(read_with(&rules, 200, text).is_ok());
}

#[test]
fn names_in_camel_case_need_a_rule() {
    let standard = ReplyRules::new().refresh_token();
    let camel = ReplyRules::new().refresh_token().camel_case();
    let hint = with(r#","refreshIn":1800"#);
    let refresh = with(r#","refreshToken":"fake-refresh-1""#);
    for (rules, is_read) in [(&standard, false), (&camel, true)] {
        let hinted = read_with(rules, 200, hint.clone()).unwrap();
        assert_eq!(hinted.refresh_hint(), seconds(1_800).filter(|_| is_read));
        let refreshable = read_with(rules, 200, refresh.clone()).unwrap();
        assert_eq!(refreshable.kept_refresh_token().is_some(), is_read);
        // The second type, of the same meaning, is an error only if it is read.
        let typed = read_with(rules, 200, with(r#","tokenType":"mac""#));
        assert_eq!(typed.is_err(), is_read);
    }
}

#[test]
fn a_configured_token_member_replaces_access_token() {
    let rules = ReplyRules::new()
        .token_member("token")
        .camel_case()
        .allow_missing_token_type();
    protocol(
        read_with(&rules, 200, r#"{"accessToken":"fake-token"}"#),
        "`token`",
    );
}
