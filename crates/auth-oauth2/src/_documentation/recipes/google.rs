use auth_core::{Authenticator, Error, Origins, SecretFile, Transport};
use auth_jwt::ServiceAccount;

pub fn google(
    key: SecretFile, // the service account's JSON key file
    http: impl Transport,
) -> Result<Authenticator, Error> {
    let source = ServiceAccount::builder(key, http)
        .scope("https://www.googleapis.com/auth/pubsub")
        .build()?;
    let origins = Origins::new(["https://pubsub.googleapis.com"])?;
    Authenticator::builder(source, origins).vendor("google").build()
}
