use std::time::Duration;

use auth_core::{Authenticator, Error, Origins, SecretFile, Transport};
use auth_jwt::{JwtAlgorithm, JwtAudience, JwtSigner};
use auth_oauth2::Client;

pub fn okta_key(
    key: SecretFile, // PEM, or a JWK with its `kid`
    http: impl Transport,
) -> Result<Authenticator, Error> {
    let signer = JwtSigner::new(JwtAlgorithm::Rs256, key)
        .key_id("my-key")
        .audience(JwtAudience::TokenEndpoint)
        .backdate(Duration::from_secs(60));
    let client = Client::builder("https://my-org.okta.com/oauth2/v1/token", "my-client", http)
        .client_assertion(signer)
        .scope("okta.users.read")
        .build()?;
    let origins = Origins::new(["https://my-org.okta.com"])?;
    Authenticator::builder(client.client_credentials(), origins).build()
}
