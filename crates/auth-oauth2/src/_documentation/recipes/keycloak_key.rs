use auth_core::{Authenticator, Error, Origins, SecretFile, Transport};
use auth_jwt::{JwtAlgorithm, JwtSigner};
use auth_oauth2::Client;

pub fn keycloak_key(key: SecretFile, http: impl Transport) -> Result<Authenticator, Error> {
    let client = Client::discover("https://sso.example.com/realms/my-realm", "my-client", http)
        .client_assertion(JwtSigner::new(JwtAlgorithm::Es256, key))
        .build()?;
    let origins = Origins::new(["https://orders.example.com"])?;
    Authenticator::builder(client.client_credentials(), origins).build()
}
