//! What the example shows: a Redis, an authorization server that tells it which token is good, and
//! a session that outlives three tokens.

use std::{error::Error, sync::Arc, time::Duration};

use auth_core::{Authenticator, Origins, Secret};
use auth_oauth2::Client;
use auth_testkit::{Answer, TestServer, VendorRequest, VendorRules};
use redis_process::RedisServer;
use serde_json::json;

use crate::session::Session;

/// What happened, for the test of this example.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Figures {
    pub(crate) token_requests: u64,
    pub(crate) logins: usize,
    pub(crate) connections: usize,
    pub(crate) visits: u64,
    pub(crate) old_token_is_refused: bool,
}

pub(crate) async fn run(mut say: impl FnMut(String)) -> Result<Figures, Box<dyn Error>> {
    let redis = Arc::new(RedisServer::start(&[]));
    let vendor = TestServer::builder()
        .vendor(TellsRedis(Arc::clone(&redis)))
        .token_lifetime(LIFETIME)
        .in_memory();
    let client = Client::builder(vendor.token_url(), vendor.client_id(), vendor.transport())
        .secret(Secret::new(vendor.client_secret()))
        .scope("cache")
        .build()?;
    // Redis is no origin of HTTP: the token is handed over by `Token::secret`, and by no layer.
    let origins = Origins::new([vendor.origin()])?;
    let authenticator = Authenticator::builder(client.client_credentials(), origins).build()?;

    let mut session = Session::open(&redis.url(), USER, &authenticator).await?;
    let (mut tokens, mut connections, mut visits) = (Vec::new(), Vec::new(), 0);
    for _ in 0..TOKENS {
        let token = session.log_in().await?;
        let mut connection = session.connection();
        let user: String = redis::cmd("ACL")
            .arg("WHOAMI")
            .query_async(&mut connection)
            .await?;
        let id: u64 = redis::cmd("CLIENT")
            .arg("ID")
            .query_async(&mut connection)
            .await?;
        visits = redis::cmd("INCR")
            .arg("visits")
            .query_async(&mut connection)
            .await?;
        let left = authenticator.clock().now().until(token.valid_until());
        say(format!(
            "token {} ({}, scope `{}`, {:.1} s left): logged in as {user} on connection {id}, \
             visit {visits}",
            token.generation(),
            token.scheme().unwrap_or("no scheme"),
            token.granted_scope().unwrap_or_default(),
            left.as_secs_f64(),
        ));
        tokens.push(token);
        if !connections.contains(&id) {
            connections.push(id);
        }
    }

    let old = tokens
        .first()
        .map(|token| token.secret())
        .ok_or("no token came")?;
    let answer = redis.command(&["AUTH", USER, old.expose()]);
    let old_token_is_refused = answer.starts_with("-WRONGPASS");
    let verdict = if old_token_is_refused {
        "WRONGPASS, as it should be"
    } else {
        "accepted, which it should not be"
    };
    say(format!("a new connection with token 1: {verdict}"));

    let figures = Figures {
        token_requests: vendor.counters().token_requests,
        logins: tokens.len(),
        connections: connections.len(),
        visits,
        old_token_is_refused,
    };
    say(format!(
        "done: {} token requests, {} logins, {} connection",
        figures.token_requests, figures.logins, figures.connections
    ));
    Ok(figures)
}

/// Makes each new token the password of the Redis user, in place of the last one: what a cloud
/// vendor's Redis does when it checks tokens.
struct TellsRedis(Arc<RedisServer>);

impl VendorRules for TellsRedis {
    fn token(&self, request: &VendorRequest<'_>) -> Answer {
        match request.check_client() {
            Err(refusal) => refusal.into_answer(),
            Ok(params) => {
                let issued = request.issue();
                let password = format!(">{}", issued.token());
                let rules = ["resetpass", &password, "on", "~visits", "+@all"];
                let words: Vec<_> = ["ACL", "SETUSER", USER].into_iter().chain(rules).collect();
                assert_eq!(self.0.command(&words), "+OK");
                request.token_reply([
                    ("access_token", json!(issued.token())),
                    ("token_type", json!("Bearer")),
                    ("expires_in", json!(issued.lifetime().as_secs())),
                    ("scope", json!(params.get("scope"))),
                ])
            }
        }
    }
}

const USER: &str = "worker";
const LIFETIME: Duration = Duration::from_secs(2);
const TOKENS: usize = 3;
