//! `WWW-Authenticate`, as `auth_tower::AuthLayer` reads it. Input: a header's value a line.
//!
//! Where the crate `http-auth` reads every line, the layer does what the challenges say that
//! `http-auth` read. Other lines are an error to `http-auth`, and not compared: those with a
//! token68, with two spaces, a tab or a comma between a scheme and its first parameter, with a byte
//! from 0x80 on, and empty ones.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use auth_core::{
    AccessToken, Authenticator, AuthenticatorOptions, Error, Origins, TokenRequest, TokenSource,
};
use auth_tower::{AuthLayer, StepUp};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode, header};
use http_body_util::Empty;
use tower::{Layer as _, ServiceExt as _, service_fn};

struct Counted(Arc<AtomicUsize>);

impl TokenSource for Counted {
    async fn fetch(&self, _: TokenRequest) -> Result<AccessToken, Error> {
        let number = self.0.fetch_add(1, Ordering::Relaxed);
        let token = AccessToken::new(format!("fake-token-{number}"));
        Ok(token.expires_in(Duration::from_secs(3600)))
    }
}

pub(crate) fn judge(input: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in input.split(|&byte| byte == b'\n').take(100) {
        if let Ok(value) = HeaderValue::from_bytes(line) {
            headers.append(header::WWW_AUTHENTICATE, value);
        }
    }
    let told = Told::read(&headers);
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    for status in [
        StatusCode::UNAUTHORIZED,
        StatusCode::FORBIDDEN,
        StatusCode::OK,
    ] {
        runtime.block_on(ask(&headers, status, told.as_ref()));
    }
}

async fn ask(headers: &HeaderMap, status: StatusCode, told: Option<&Told>) {
    let (fetches, sends) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
    let origins = Origins::new(["https://api.example.com"]).unwrap();
    let authenticator = Authenticator::builder(Counted(Arc::clone(&fetches)), origins)
        .options(AuthenticatorOptions::new().shards(1))
        .build()
        .unwrap();
    let (sent, answer) = (Arc::clone(&sends), headers.clone());
    let api = service_fn(move |request: Request<Empty<Bytes>>| {
        sent.fetch_add(1, Ordering::Relaxed);
        assert!(request.headers().contains_key(header::AUTHORIZATION));
        let mut response = Response::new(());
        *response.status_mut() = status;
        *response.headers_mut() = answer.clone();
        async { Ok::<_, Error>(response) }
    });
    let mut request = Request::new(Empty::<Bytes>::new());
    *request.uri_mut() = "https://api.example.com/".parse().unwrap();
    let service = AuthLayer::new(authenticator).layer(api);
    let response = service.oneshot(request).await.unwrap();

    // The API's answer, after one replay at most; and only a 401 is worth one.
    assert_eq!((response.status(), response.headers()), (status, headers));
    let most = if status == StatusCode::UNAUTHORIZED {
        2
    } else {
        1
    };
    let (fetches, sends) = (
        fetches.load(Ordering::Relaxed),
        sends.load(Ordering::Relaxed),
    );
    assert!((1..=most).contains(&sends), "{status}: {sends} sends");
    assert!(
        (1..=most).contains(&fetches),
        "{status}: {fetches} token requests"
    );
    let step_up = response.extensions().get::<StepUp>();
    if let (StatusCode::UNAUTHORIZED, Some(told)) = (status, told) {
        assert_eq!(sends == 2, told.is_refusal, "{headers:?}");
        let wanted = step_up.map(|wanted| {
            let contexts: Vec<_> = wanted.acr_values().collect();
            (contexts.join(" "), wanted.max_age())
        });
        assert_eq!(wanted, told.step_up, "{headers:?}");
    }
    if let Some(wanted) = step_up {
        assert_eq!(sends, 1, "a new token would be refused again");
        for context in wanted.acr_values() {
            assert!(context.bytes().all(|byte| byte.is_ascii_graphic()));
        }
    }
}

/// What a 401 with these challenges says of the token, by `http-auth`.
struct Told {
    is_refusal: bool,
    step_up: Option<(String, Option<Duration>)>,
}

impl Told {
    /// `None` if a line is an error to `http-auth`, or the lines are longer than what is read.
    fn read(headers: &HeaderMap) -> Option<Self> {
        let lines = headers.get_all(header::WWW_AUTHENTICATE);
        if lines.iter().map(HeaderValue::len).sum::<usize>() > 16 * 1024 {
            return None;
        }
        let mut errors: Vec<(_, _, _)> = Vec::new();
        for line in lines {
            for challenge in http_auth::parse_challenges(line.to_str().ok()?).ok()? {
                let ours = ["Bearer", "DPoP"];
                if ours
                    .iter()
                    .any(|s| s.eq_ignore_ascii_case(challenge.scheme))
                {
                    let first = |name: &str| {
                        let mut params = challenge.params.iter();
                        let found = params.find(|(other, _)| other.eq_ignore_ascii_case(name));
                        found.map(|(_, value)| value.to_unescaped())
                    };
                    let told = [first("error"), first("acr_values"), first("max_age")];
                    // The layer has a bound for these.
                    if told.iter().flatten().any(|text| text.len() > 256) {
                        return None;
                    }
                    errors.push(told.into());
                }
            }
        }
        let with = |code: &str| {
            errors
                .iter()
                .find(|(error, ..)| error.as_deref() == Some(code))
        };
        let is = |codes: &[&str]| codes.iter().any(|code| with(code).is_some());
        if is(&["use_dpop_nonce"]) {
            return Some(Self::passed_on());
        }
        if is(&["invalid_token"]) {
            return Some(Self::refusal());
        }
        if let Some((_, contexts, age)) = with("insufficient_user_authentication") {
            return Some(Self {
                step_up: Some((words(contexts.as_deref()), seconds(age.as_deref()))),
                ..Self::passed_on()
            });
        }
        if is(&[
            "insufficient_scope",
            "invalid_request",
            "invalid_dpop_proof",
        ]) {
            Some(Self::passed_on())
        } else {
            Some(Self::refusal())
        }
    }

    fn refusal() -> Self {
        Self {
            is_refusal: true,
            step_up: None,
        }
    }

    fn passed_on() -> Self {
        Self {
            is_refusal: false,
            step_up: None,
        }
    }
}

fn words(text: Option<&str>) -> String {
    let printable = |text: &&str| text.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    let text = text.filter(printable).unwrap_or_default();
    text.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

fn seconds(text: Option<&str>) -> Option<Duration> {
    let text = text.filter(|text| text.bytes().all(|byte| byte.is_ascii_digit()))?;
    text.parse().ok().map(Duration::from_secs)
}
