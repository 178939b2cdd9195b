//! Tokens on trial: an API that learns of a token late gets time, and no other token.

use std::{convert::Infallible, time::Duration};

use auth_testkit::ScriptedSource;
use auth_tower::AuthLayer;
use bytes::Bytes;
use http::{Request, Response, StatusCode, header::AUTHORIZATION};
use http_body_util::Full;
use tokio::time::Instant;
use tower::{Layer, ServiceExt, service_fn};

use crate::support::{API, MINUTE, SECOND, elapse, exact, machine_with};

/// A client's view of an API that accepts a token only `late` after the token was issued.
struct Late {
    /// Time from the first request to the first success.
    without_service: Duration,
    /// Token requests until then.
    token_requests: usize,
    /// Refusals that callers received during the following hour, in which the token was renewed.
    refused_after: u64,
    /// Token requests of that hour.
    token_requests_after: usize,
}

async fn late(late: Duration) -> Late {
    let source = ScriptedSource::new();
    let authenticator = machine_with(source.clone(), |options| options.policy(exact()));
    let begun = Instant::now();
    let issued = source.clone();
    let api = service_fn(move |request: Request<Full<Bytes>>| {
        let line = request.headers()[AUTHORIZATION]
            .to_str()
            .unwrap()
            .to_owned();
        let number: usize = line.rsplit('-').next().unwrap().parse().unwrap();
        let knows = issued.log()[number - 1].at + late <= begun.elapsed();
        async move {
            let mut response = Response::new(());
            if !knows {
                *response.status_mut() = StatusCode::UNAUTHORIZED;
            }
            Ok::<_, Infallible>(response)
        }
    });
    let client = AuthLayer::new(authenticator).layer(api);
    let send = async || {
        let request = Request::get(format!("{API}/things")).body(Full::default());
        let response = client.clone().oneshot(request.unwrap()).await.unwrap();
        response.status() == StatusCode::OK
    };
    while !send().await {
        assert!(begun.elapsed() < 40 * MINUTE, "no service");
        elapse(SECOND / 2).await;
    }
    let (without_service, token_requests) = (begun.elapsed(), source.fetches());
    let mut refused_after = 0;
    for _ in 0..3_500 {
        refused_after += u64::from(!send().await);
        elapse(SECOND).await;
    }
    Late {
        without_service,
        token_requests,
        refused_after,
        token_requests_after: source.fetches() - token_requests,
    }
}

#[tokio::test(start_paused = true)]
async fn g07_an_api_that_learns_of_tokens_late_causes_no_further_token_requests() {
    for seconds in [0, 1, 2, 3, 5, 6, 7, 10, 20, 30, 60, 61, 90, 200, 400, 600] {
        let lag = Duration::from_secs(seconds);
        let seen = late(lag).await;
        println!(
            "{seconds} s late: service after {:.1} s, {} token requests; in the next hour {} more, \
             {} refusals seen",
            seen.without_service.as_secs_f64(),
            seen.token_requests,
            seen.token_requests_after,
            seen.refused_after,
        );
        assert!(seen.without_service <= 2 * lag + 10 * SECOND, "{lag:?}");
        assert!(seen.token_requests <= 3, "{lag:?}");
        // The previous token is used while the API does not accept the new one.
        assert_eq!(seen.refused_after, 0, "{lag:?}");
        assert!((1..=2).contains(&seen.token_requests_after), "{lag:?}");
    }
}
