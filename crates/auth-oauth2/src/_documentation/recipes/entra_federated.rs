use auth_core::{Authenticator, Error, Origins, SecretFile, Transport};
use auth_oauth2::Client;

pub fn entra_federated(
    token: SecretFile, // the path is in the variable AZURE_FEDERATED_TOKEN_FILE
    http: impl Transport,
) -> Result<Authenticator, Error> {
    let tenant = "11111111-2222-3333-4444-555555555555";
    let issuer = format!("https://login.microsoftonline.com/{tenant}/v2.0");
    let client = Client::discover(issuer, "my-client", http)
        .client_assertion(token)
        .scope("https://graph.microsoft.com/.default")
        .build()?;
    let origins = Origins::new(["https://graph.microsoft.com"])?;
    Authenticator::builder(client.client_credentials(), origins).build()
}
