use std::time::Duration;

use auth_core::{Authenticator, Error, Origins, SecretFile, Transport};
use auth_jwt::{JwtAlgorithm, JwtAudience, JwtSigner};
use auth_oauth2::{Client, ClientAuth, ReplyRules};

pub fn salesforce_key(key: SecretFile, http: impl Transport) -> Result<Authenticator, Error> {
    let url = "https://my-domain.my.salesforce.com/services/oauth2/token";
    let signer = JwtSigner::new(JwtAlgorithm::Rs256, key)
        .subject("integration@my-domain.example.com")
        .audience(JwtAudience::Fixed("https://login.salesforce.com".into()));
    let client = Client::builder(url, "my-consumer-key", http)
        .client_auth(ClientAuth::None)
        .reply_rules(ReplyRules::new().default_lifetime(Duration::from_secs(15 * 60)))
        .build()?;
    let origins = Origins::new(["https://my-domain.my.salesforce.com"])?;
    Authenticator::builder(client.jwt_bearer(signer)?, origins).build()
}
