//! The vendors: one for each kind of traffic, so that each has its own counts.

use std::time::Duration;

use auth_testkit::{Counters, RefreshTokens, Reply, TestServer};
use serde::{Deserialize, Serialize};
use tokio::time;

use crate::plan::Fault;

pub(crate) const PLAIN: &str = "plain";
pub(crate) const PERSON: &str = "person";
pub(crate) const KEYED: &str = "keyed";

/// The lifetime of a token.
pub(crate) const LIFETIME: Duration = Duration::from_secs(6);
/// The share of the lifetime after which a token is renewed, less a jitter of up to 0.05.
pub(crate) const REFRESH_AT: f64 = 0.6;
/// The earliest renewal: 0.55 of the lifetime.
pub(crate) const EARLIEST: Duration = Duration::from_millis(3_300);
/// The deadline of a token request.
pub(crate) const POLICY_DEADLINE: Duration = Duration::from_secs(3);

/// What a process needs to reach a vendor.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct Access {
    pub(crate) token_url: String,
    pub(crate) api_url: String,
    pub(crate) origin: String,
    pub(crate) client_id: String,
    pub(crate) client_secret: String,
    pub(crate) user: String,
    pub(crate) password: String,
}

pub(crate) struct Vendor {
    pub(crate) name: &'static str,
    pub(crate) server: TestServer,
}

impl Vendor {
    pub(crate) async fn start(name: &'static str) -> Self {
        let mut builder = TestServer::builder()
            .client(format!("soak-{name}"), "fake-secret-1")
            .token_lifetime(LIFETIME);
        if name == PERSON {
            builder = builder
                .user("soak-user", "fake-password-1")
                .refresh_tokens(RefreshTokens::Rotated);
        }
        Self {
            name,
            server: builder.start().await,
        }
    }

    pub(crate) fn access(&self) -> Access {
        let server = &self.server;
        Access {
            token_url: server.token_url(),
            api_url: server.api_url(),
            origin: server.origin().to_owned(),
            client_id: server.client_id().to_owned(),
            client_secret: server.client_secret(),
            user: server.user_name().to_owned(),
            password: server.user_password(),
        }
    }

    pub(crate) fn counters(&self) -> Counters {
        self.server.counters()
    }

    /// Begins a fault. Returns the number of requests whose answers it has prepared.
    pub(crate) async fn begin(&self, fault: Fault) -> usize {
        let (token, api) = (self.server.token(), self.server.api());
        match fault {
            Fault::SlowTokens(delay) => drop(token.always(Reply::normal().delay(delay))),
            Fault::TokenErrors => drop(token.always(Reply::status(500))),
            Fault::TokenResets => drop(token.always(Reply::cut())),
            Fault::Throttled { seconds, times } => {
                let reply = Reply::status(429).header("retry-after", seconds.to_string());
                token.times(times, reply);
                return times;
            }
            Fault::LostReplies(times) => {
                token.times(times, Reply::normal().cut_after(0));
                return times;
            }
            Fault::ApiErrors(times) => {
                api.times(times, Reply::status(503));
                return times;
            }
            Fault::ApiResets(times) => {
                api.times(times, Reply::cut());
                return times;
            }
            Fault::SlowApi(delay) => drop(api.always(Reply::normal().delay(delay))),
            Fault::Revoked => {
                self.no_young_token().await;
                self.server.revoke_all();
            }
            Fault::RedisKilled | Fault::RedisHalted | Fault::RedisSilent => {}
        }
        0
    }

    /// Ends all faults.
    pub(crate) fn end(&self) {
        self.server.token().clear();
        self.server.api().clear();
    }

    /// Returns how many tokens are on trial.
    pub(crate) fn young(&self) -> u64 {
        let now = self.server.clock().world_elapsed();
        let times = self.server.token_request_times().into_iter();
        let is_young = |at: &Duration| now.saturating_sub(*at) < Duration::from_millis(1_500);
        times.rev().take_while(is_young).count() as u64
    }

    /// Waits until all processes use a token that is not on trial any more, and whose renewal is not
    /// due yet. Keyed traffic always has young tokens.
    async fn no_young_token(&self) {
        let is_between = || {
            let last = self.server.token_request_times().last().copied();
            let age = self.server.clock().world_elapsed() - last.unwrap_or_default();
            (1_500..2_800).contains(&age.as_millis())
        };
        let mut tries = 0;
        while self.name != KEYED && !is_between() && tries < 200 {
            tries += 1;
            time::sleep(Duration::from_millis(50)).await;
        }
    }
}
