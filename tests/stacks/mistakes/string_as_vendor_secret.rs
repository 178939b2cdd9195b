//! says: `String` is not a `SecretSource`: a secret is not passed as a plain string
//! hints: use `Secret::new(text)`

use auth_core::Transport;
use auth_kaizen::{East, Kaizen};

fn kaizen(secret: String, transport: impl Transport) {
    let _kaizen = Kaizen::<East>::builder("my-client", secret, transport);
}

fn main() {}
