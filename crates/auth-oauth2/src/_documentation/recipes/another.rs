use auth_core::{Authenticator, Error, Origins, SecretSource, Transport};
use auth_oauth2::{Client, ClientAuth};

pub fn another(secret: impl SecretSource, http: impl Transport) -> Result<Authenticator, Error> {
    let url = "https://login.example.com/oauth2/token";
    let client = Client::builder(url, "my-client", http)
        .secret(secret)
        .client_auth(ClientAuth::Basic)
        .scope("orders:read orders:write")
        .resource("https://orders.example.com/")
        .extra("tenant", "my-tenant")
        .build()?;
    let origins = Origins::new(["https://orders.example.com"])?;
    Authenticator::builder(client.client_credentials(), origins).build()
}
