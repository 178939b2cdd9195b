use auth_core::{Authenticator, Error, Origins, SecretSource, Transport};
use auth_oauth2::Client;

pub fn cognito(secret: impl SecretSource, http: impl Transport) -> Result<Authenticator, Error> {
    let issuer = "https://cognito-idp.eu-central-1.amazonaws.com/eu-central-1_Example";
    let client = Client::discover(issuer, "my-client", http)
        .secret(secret)
        .scope("orders/read")
        .build()?;
    let origins = Origins::new(["https://orders.example.com"])?;
    Authenticator::builder(client.client_credentials(), origins).build()
}
