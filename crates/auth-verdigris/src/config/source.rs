use std::time::Duration;

use auth_core::Error;
use auth_oauth2::{Client, ClientAuth, ClientCredentials, ReplyRules};
use http::StatusCode;

use crate::VerdigrisBuilder;

pub(crate) const VENDOR: &str = "verdigris";

/// How long to wait after "over quota", which comes without a time. Somebody else holds the slots
/// then, for an hour at most: two requests find the end of it within half an hour, and the vendor
/// asks to "refrain from making additional requests".
const QUOTA_WAIT: Duration = Duration::from_secs(30 * 60);

/// Makes the client credentials grant as Verdigris wants it: the client's identity in the body, and
/// an audience.
pub(crate) fn new(settings: VerdigrisBuilder) -> Result<ClientCredentials, Error> {
    if settings.audience.is_empty() {
        return Err(Error::config("audience", "must not be empty"));
    }
    // One page of the vendor's says 429, another one 400; neither promises an `error` code.
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
