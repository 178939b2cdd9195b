//! says: the method `Client::password` needs the feature `password` of `auth-oauth2`
//! hints: features = ["password"]

use auth_core::Secret;

fn source(client: auth_oauth2::Client) {
    let _source = client.password("robot@example.com", Secret::new("fake-password-1"));
}

fn main() {}
