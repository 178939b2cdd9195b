//! says: `reqwest::Client` is not a `Transport`: it cannot send token requests
//! hints: use `auth_reqwest::ReqwestTransport::new()?` instead of a `reqwest::Client`

fn main() {
    let http = reqwest::Client::new();
    let _client =
        auth_oauth2::Client::builder("https://login.example.com/token", "my-client", http);
}
