use std::time::Duration;

use auth_core::{Authenticator, Error, Origins, SecretSource, Transport};
use auth_oauth2::{Client, ClientAuth, ReplyRules};

pub fn salesforce_secret(
    secret: impl SecretSource,
    http: impl Transport,
) -> Result<Authenticator, Error> {
    let url = "https://my-domain.my.salesforce.com/services/oauth2/token";
    let client = Client::builder(url, "my-consumer-key", http)
        .secret(secret)
        .client_auth(ClientAuth::Post)
        .reply_rules(ReplyRules::new().default_lifetime(Duration::from_secs(15 * 60)))
        .build()?;
    let origins = Origins::new(["https://my-domain.my.salesforce.com"])?;
    Authenticator::builder(client.client_credentials(), origins).build()
}
