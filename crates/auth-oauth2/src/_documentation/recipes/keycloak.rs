use auth_core::{Authenticator, Error, Origins, SecretSource, Transport};
use auth_oauth2::Client;

pub fn keycloak(secret: impl SecretSource, http: impl Transport) -> Result<Authenticator, Error> {
    let client = Client::discover("https://sso.example.com/realms/my-realm", "my-client", http)
        .secret(secret)
        .build()?;
    let origins = Origins::new(["https://orders.example.com"])?;
    Authenticator::builder(client.client_credentials(), origins).build()
}
