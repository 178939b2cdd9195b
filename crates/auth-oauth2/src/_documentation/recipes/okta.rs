use auth_core::{Authenticator, Error, Origins, SecretSource, Transport};
use auth_oauth2::Client;

pub fn okta(secret: impl SecretSource, http: impl Transport) -> Result<Authenticator, Error> {
    let client = Client::discover("https://my-org.okta.com/oauth2/default", "my-client", http)
        .secret(secret)
        .scope("orders.read")
        .build()?;
    let origins = Origins::new(["https://orders.example.com"])?;
    Authenticator::builder(client.client_credentials(), origins).build()
}
