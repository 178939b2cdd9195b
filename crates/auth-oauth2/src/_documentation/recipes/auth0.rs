use auth_core::{Authenticator, Error, Origins, SecretSource, Transport};
use auth_oauth2::{Client, ClientAuth};

pub fn auth0(secret: impl SecretSource, http: impl Transport) -> Result<Authenticator, Error> {
    let client = Client::discover("https://my-tenant.eu.auth0.com/", "my-client", http)
        .secret(secret)
        .client_auth(ClientAuth::Post)
        .audience("https://orders.example.com")
        .build()?;
    let origins = Origins::new(["https://orders.example.com"])?;
    Authenticator::builder(client.client_credentials(), origins).build()
}
