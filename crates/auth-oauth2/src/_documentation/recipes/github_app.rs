use std::time::Duration;

use auth_core::{Authenticator, Error, Origins, SecretFile, Transport};
use auth_jwt::{JwtAlgorithm, JwtAudience, JwtSigner};
use auth_oauth2::{AssertionLogin, ReplyRules};
use http::{StatusCode, header::USER_AGENT};

pub fn github_app(key: SecretFile, http: impl Transport) -> Result<Authenticator, Error> {
    let url = "https://api.github.com/app/installations/12345678/access_tokens";
    let jwt = JwtSigner::new(JwtAlgorithm::Rs256, key)
        .without_subject()
        .audience(JwtAudience::Omitted)
        .backdate(Duration::from_secs(60));
    let rules = ReplyRules::new()
        .token_member("token")
        .default_lifetime(Duration::from_secs(3600))
        .description_member("message")
        .throttle_statuses([StatusCode::FORBIDDEN])
        .throttle_wait(Duration::from_secs(60));
    let source = AssertionLogin::builder(url, "my-client-id", jwt, http)
        .header(USER_AGENT, "my-app")
        .reply_rules(rules)
        .build()?;
    let origins = Origins::new(["https://api.github.com"])?;
    Authenticator::builder(source, origins).vendor("github").build()
}
