use std::time::Duration;

use auth_core::Error;
use auth_oauth2::{Client, ClientAuth, ClientCredentials, ReplyRules};
use http::StatusCode;

use crate::VerdigrisBuilder;

pub(crate) const VENDOR: &str = "verdigris";

/// The wait after a used-up quota if the vendor states no time. Other processes use the slots then,
/// for an hour at most. Two token requests per hour find a free slot within 30 minutes, and the
/// vendor asks to "refrain from making additional requests".
const QUOTA_WAIT: Duration = Duration::from_secs(30 * 60);

/// Makes the client credentials grant as Verdigris expects it: client id and secret in the body,
/// and an audience.
pub(crate) fn new(settings: VerdigrisBuilder) -> Result<ClientCredentials, Error> {
    if settings.audience.is_empty() {
        return Err(Error::config("audience", "must not be empty"));
    }
    // The vendor's pages say 429 and 400. Neither documents an `error` code.
    let rules = ReplyRules::new()
        .quota_statuses([StatusCode::TOO_MANY_REQUESTS, StatusCode::BAD_REQUEST])
        .throttle_wait(QUOTA_WAIT);
    let client = Client::builder(settings.token_url, settings.client_id, settings.transport)
        .secret(settings.client_secret)
        .vendor(VENDOR)
        .client_auth(ClientAuth::Post)
        .body_format(settings.body_format)
        .audience(settings.audience)
        .reply_rules(rules)
        .danger_http_hosts(settings.http)
        .clock(settings.options.shared_clock())
        .build()?;
    Ok(client.client_credentials())
}
