use auth_core::{Authenticator, Error, Origins, SecretFile, Transport};
use auth_jwt::{JwtAlgorithm, JwtAudience, JwtSigner};
use auth_oauth2::Client;

pub fn entra_certificate(
    key: SecretFile, // PEM: the private key and the certificate
    http: impl Transport,
) -> Result<Authenticator, Error> {
    let tenant = "11111111-2222-3333-4444-555555555555";
    let url = format!("https://login.microsoftonline.com/{tenant}/oauth2/v2.0/token");
    let signer = JwtSigner::new(JwtAlgorithm::Ps256, key).audience(JwtAudience::TokenEndpoint);
    let client = Client::builder(url, "my-client", http)
        .client_assertion(signer)
        .scope("https://graph.microsoft.com/.default")
        .build()?;
    let origins = Origins::new(["https://graph.microsoft.com"])?;
    Authenticator::builder(client.client_credentials(), origins).build()
}
