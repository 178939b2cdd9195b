//! says: `auth_oauth2::Client` is not a `TokenSource`: it cannot fetch tokens for an `Authenticator`
//! hints: `.client_credentials()`

use auth_core::{Authenticator, Origins};

fn authenticator(client: auth_oauth2::Client, origins: Origins) {
    let _authenticator = Authenticator::builder(client, origins).build();
}

fn main() {}
