//! says: `AuthMiddleware`
//! hints: configured out
//! hints: the item is gated behind the `middleware` feature

use auth_core::Authenticator;

fn middleware(authenticator: Authenticator) {
    let _middleware = auth_reqwest::AuthMiddleware::new(authenticator);
}

fn main() {}
