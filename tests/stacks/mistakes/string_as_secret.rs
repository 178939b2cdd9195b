//! says: `&str` is not a `SecretSource`: a secret is not passed as a plain string
//! hints: use `Secret::new(text)`
//! hints: `SecretFile::new(path)`

use auth_core::Transport;
use auth_oauth2::Client;

fn client(transport: impl Transport) {
    let _client = Client::builder("https://login.example.com/token", "my-client", transport)
        .secret("fake-secret-1");
}

fn main() {}
