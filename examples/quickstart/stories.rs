//! Five frequent problems, with the server's counts.

use std::{error::Error, time::Duration};

use auth_core::{
    AuthenticatorOptions, ErrorKind, Key, MemoryStore, Origins, Quota, RefreshPolicy, Secret,
    SharedTokenStore,
};
use auth_oauth2::Client;
use auth_testkit::{ForeignServer, Gate, Reply, TestServer};
use auth_tower::{AuthLayer, ServiceTransport};
use http::StatusCode;
use serde_json::json;
use tokio::{
    task::JoinSet,
    time::{self, Instant},
};
use tower::ServiceBuilder;
use tower_http::follow_redirect::FollowRedirectLayer;

use crate::{
    client::{self, Signed},
    report::Report,
};

type Result = std::result::Result<(), Box<dyn Error>>;

/// Many requests need a token at the same time.
pub(crate) async fn cold_start(report: &mut Report) -> Result {
    const CALLERS: usize = 1_000;
    let server = TestServer::start().await;
    let client = client::signed(client::authenticator(&server, RefreshPolicy::default())?);
    let failed = all_at_once(&client, &server.api_url(), CALLERS).await;
    let token_requests = server.counters().tokens_issued;
    report.story(
        "cold_start",
        json!({"callers": CALLERS, "token_requests": token_requests, "failed": failed}),
        &format!(
            "{CALLERS} requests at once, without a token: {token_requests} token request, {failed} failed"
        ),
        &[
            ("1 token request", token_requests == 1),
            ("0 failed requests", failed == 0),
        ],
    );
    server.shutdown().await;
    Ok(())
}

/// A token expires under traffic.
pub(crate) async fn rotation(report: &mut Report) -> Result {
    const WORKERS: usize = 8;
    let lifetime = Duration::from_secs(1);
    let run = Duration::from_secs(4);
    // Without jitter, so that the number of lifetimes is known in advance.
    let policy = RefreshPolicy::default().jitter(0.0)?;
    let renewed_after = lifetime.mul_f64(0.8);
    let server = TestServer::builder().token_lifetime(lifetime).start().await;
    let client = client::signed(client::authenticator(&server, policy)?);
    let end = Instant::now() + run;
    let mut workers = JoinSet::new();
    for _ in 0..WORKERS {
        let (client, url) = (client.clone(), server.api_url());
        workers.spawn(async move {
            let (mut requests, mut failed) = (0_u64, 0_u64);
            while Instant::now() < end {
                requests += 1;
                failed += u64::from(!succeeds(&client, &url).await);
                time::sleep(Duration::from_millis(4)).await;
            }
            (requests, failed)
        });
    }
    let counts = workers.join_all().await;
    let requests: u64 = counts.iter().map(|(requests, _)| requests).sum();
    let failed: u64 = counts.iter().map(|(_, failed)| failed).sum();
    let token_requests = server.counters().tokens_issued;
    let lifetimes = run.div_duration_f64(renewed_after).ceil() as u64;
    report.story(
        "rotation",
        json!({
            "requests": requests, "token_requests": token_requests, "lifetimes": lifetimes, "failed": failed,
        }),
        &format!(
            "{requests} requests over {lifetimes} lifetimes of a token: {token_requests} token requests, \
             {failed} failed"
        ),
        &[
            (
                "one token request per lifetime, give or take one",
                token_requests.abs_diff(lifetimes) <= 1,
            ),
            ("0 failed requests", failed == 0),
        ],
    );
    server.shutdown().await;
    Ok(())
}

/// A token is revoked while requests with it are in progress.
pub(crate) async fn revocation(report: &mut Report) -> Result {
    const IN_FLIGHT: usize = 100;
    let server = TestServer::start().await;
    let client = client::signed(client::authenticator(&server, RefreshPolicy::default())?);
    client::get(client.clone(), &server.api_url()).await?;
    let before = server.counters();
    // All of them are sent with the old token before it is revoked.
    let gate = Gate::new();
    server
        .api()
        .times(IN_FLIGHT, Reply::normal().process_after(&gate));
    let requests = tokio::spawn({
        let (client, url) = (client.clone(), server.api_url());
        async move { all_at_once(&client, &url, IN_FLIGHT).await }
    });
    gate.reached(IN_FLIGHT).await;
    server.revoke_all();
    gate.open();
    let failed = requests.await?;
    let after = server.counters();
    let token_requests = after.tokens_issued - before.tokens_issued;
    let refused = after.api_status(401);
    report.story(
        "revocation",
        json!({
            "in_flight": IN_FLIGHT, "token_requests": token_requests, "failed": failed, "refused": refused,
        }),
        &format!(
            "{IN_FLIGHT} requests in progress when their token is revoked: {token_requests} token request, \
             {refused} sent once more, {failed} failed"
        ),
        &[
            ("1 token request", token_requests == 1),
            ("all refused once", refused == IN_FLIGHT as u64),
            ("0 failed requests", failed == 0),
        ],
    );
    server.shutdown().await;
    Ok(())
}

/// A vendor permits 20 tokens per hour and client, and 25 callers need one each.
pub(crate) async fn quota(report: &mut Report) -> Result {
    const LIMIT: u32 = 20;
    const CALLERS: u32 = 25;
    let window = Duration::from_secs(3600);
    let server = TestServer::builder()
        .token_lifetime(window)
        .quota(LIMIT as usize, window)
        .start()
        .await;
    // All token requests of the client are counted here, including those of other processes.
    let store = SharedTokenStore::new(MemoryStore::new());
    let (mut served, mut refused) = (0, Vec::new());
    for number in 0..CALLERS {
        let source = Client::builder(
            server.token_url(),
            server.client_id(),
            ServiceTransport::new(client::http()),
        )
        .secret(Secret::new(server.client_secret()))
        .danger_allow_http(&server.token_url())?
        .build()?
        .client_credentials();
        let key = Key::builder("testkit")
            .issuer(server.token_url())
            .client(server.client_id())
            .extra("caller", number.to_string())
            .build();
        let origins = Origins::danger_allow_http([server.origin()])?;
        let authenticator = auth_core::Authenticator::builder(source, origins)
            .vendor("testkit")
            .key(key)
            .options(
                AuthenticatorOptions::new()
                    .quota(Quota::new(LIMIT, window)?)
                    .store(store.clone()),
            )
            .build()?;
        match client::get(client::signed(authenticator), &server.api_url()).await {
            Ok((StatusCode::OK, _)) => served += 1,
            Err(auth_tower::Error::Auth(error)) => refused.push(error),
            other => return Err(format!("expected a quota error, not {other:?}").into()),
        }
    }
    let error = refused.first().ok_or("no caller was refused")?;
    let next_slot = error.retry_after().unwrap_or_default().as_secs();
    let seen = server.counters();
    report.story(
        "quota",
        json!({
            "granted": seen.tokens_issued,
            "refused": refused.len(),
            "over_quota": seen.quota_refusals,
            "next_slot_seconds": next_slot,
            "message": error.to_string(),
        }),
        &format!(
            "{} tokens granted, {} token requests over the quota; {} callers read: {error}",
            seen.tokens_issued,
            seen.quota_refusals,
            refused.len()
        ),
        &[
            ("20 tokens granted", seen.tokens_issued == u64::from(LIMIT)),
            ("0 token requests over the quota", seen.quota_refusals == 0),
            ("20 callers served", served == LIMIT),
            ("all others refused", refused.len() == 5),
            (
                "a quota error",
                refused.iter().all(|error| error.kind() == ErrorKind::Quota),
            ),
            (
                "the next slot is free within the hour",
                (1..=3600).contains(&next_slot),
            ),
        ],
    );
    server.shutdown().await;
    Ok(())
}

/// An API redirects to another origin.
pub(crate) async fn redirect(report: &mut Report) -> Result {
    let server = TestServer::start().await;
    let foreign = ForeignServer::start().await;
    let client = ServiceBuilder::new()
        .layer(FollowRedirectLayer::new())
        .layer(AuthLayer::new(client::authenticator(
            &server,
            RefreshPolicy::default(),
        )?))
        .service(client::http());
    let statuses = [301, 302, 303, 307, 308];
    for status in statuses {
        let url = format!(
            "{}/redirect?status={status}&to={}",
            server.api_url(),
            foreign.url()
        );
        client::get(client.clone(), &url).await?;
    }
    let tokens = server.expose_tokens();
    let mut secrets: Vec<&str> = tokens.iter().map(String::as_str).collect();
    let client_secret = server.client_secret();
    secrets.push(&client_secret);
    let requests = foreign.requests();
    let seen = foreign.secrets_seen(&secrets).len();
    let signed = server.counters().api_status(401) == 0;
    report.story(
        "redirect",
        json!({"foreign_requests": requests, "secrets_seen": seen}),
        &format!(
            "{requests} redirects to another origin were followed; {seen} secrets arrived there"
        ),
        &[
            (
                "each redirect was followed",
                requests == statuses.len() as u64,
            ),
            ("the API received its token", signed && !tokens.is_empty()),
            ("0 secrets at the foreign origin", seen == 0),
        ],
    );
    foreign.shutdown().await;
    server.shutdown().await;
    Ok(())
}

/// Starts `count` requests at once. Returns how many failed.
async fn all_at_once(client: &Signed, url: &str, count: usize) -> usize {
    let mut requests = JoinSet::new();
    for _ in 0..count {
        let (client, url) = (client.clone(), url.to_owned());
        requests.spawn(async move { succeeds(&client, &url).await });
    }
    requests
        .join_all()
        .await
        .into_iter()
        .filter(|succeeded| !succeeded)
        .count()
}

async fn succeeds(client: &Signed, url: &str) -> bool {
    matches!(
        client::get(client.clone(), url).await,
        Ok((StatusCode::OK, _))
    )
}
