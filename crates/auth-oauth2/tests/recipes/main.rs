//! Each recipe of the documentation sends the request that a person has reviewed.

#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

mod jwt;
mod key_file;
mod recorder;

use std::{fs, path::Path};

use auth_core::{Authenticator, Error, Secret, SecretFile};
use recorder::Recorder;

/// One module per file, exactly as the documentation shows it.
macro_rules! recipes {
    ($($name:ident),* $(,)?) => {
        $(
            #[allow(unreachable_pub, reason = "the documentation shows the file as it is")]
            mod $name {
                include!(concat!(
                    "../../src/_documentation/recipes/",
                    stringify!($name),
                    ".rs"
                ));
            }
        )*

        /// The files that are tested here.
        const TESTED: &[(&str, &str)] = &[$((
            stringify!($name),
            include_str!(concat!("../../src/_documentation/recipes/", stringify!($name), ".rs")),
        )),*];
    };
}

recipes!(
    another,
    auth0,
    cognito,
    entra_certificate,
    entra_federated,
    entra_secret,
    github_app,
    google,
    keycloak,
    keycloak_key,
    okta,
    okta_key,
    salesforce_key,
    salesforce_secret,
);

/// Contains every kind of byte that an encoding may get wrong.
fn secret() -> Secret {
    Secret::new("fake-secret/1+2&3=%")
}

/// Fetches a token and returns the requests that were sent.
async fn sent(recorder: &Recorder, authenticator: Result<Authenticator, Error>) -> String {
    let authenticator = authenticator.unwrap();
    authenticator.token().await.unwrap();
    recorder.wire()
}

macro_rules! wire {
    ($name:ident, $recorder:ident => $authenticator:expr) => {
        #[tokio::test(start_paused = true)]
        async fn $name() {
            let $recorder = Recorder::default();
            let wire = sent(&$recorder, $authenticator).await;
            let read = include_str!(concat!("wire/", stringify!($name), ".txt"));
            assert_eq!(wire, read, "sent:\n{wire}");
        }
    };
}

wire!(another, http => another::another(secret(), http.clone()));
wire!(auth0, http => auth0::auth0(secret(), http.clone()));
wire!(cognito, http => cognito::cognito(secret(), http.clone()));
wire!(entra_secret, http => entra_secret::entra_secret(secret(), http.clone()));
wire!(keycloak, http => keycloak::keycloak(secret(), http.clone()));
wire!(okta, http => okta::okta(secret(), http.clone()));
wire!(salesforce_secret, http => salesforce_secret::salesforce_secret(secret(), http.clone()));
wire!(entra_certificate, http => {
    let text = key_file::rsa() + &key_file::certificate();
    entra_certificate::entra_certificate(file("entra_certificate", &text), http.clone())
});
wire!(entra_federated, http => {
    // `{"alg":"none"}`, `{"sub":"fake-pod"}` and a fake signature.
    let token = "eyJhbGciOiJub25lIn0.eyJzdWIiOiJmYWtlLXBvZCJ9.ZmFrZQ";
    entra_federated::entra_federated(file("entra_federated", token), http.clone())
});
wire!(github_app, http => {
    github_app::github_app(file("github_app", &key_file::rsa()), http.clone())
});
wire!(google, http => {
    google::google(file("google", &key_file::service_account()), http.clone())
});
wire!(keycloak_key, http => {
    keycloak_key::keycloak_key(file("keycloak_key", &key_file::p256()), http.clone())
});
wire!(okta_key, http => okta_key::okta_key(file("okta_key", &key_file::rsa()), http.clone()));
wire!(salesforce_key, http => {
    salesforce_key::salesforce_key(file("salesforce_key", &key_file::rsa()), http.clone())
});

/// Writes a file that contains a secret.
fn file(name: &str, text: &str) -> SecretFile {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("recipe-{name}"));
    fs::write(&path, text).unwrap();
    SecretFile::new(path)
}

/// The page shows every tested file and no other file.
#[test]
fn the_page_shows_exactly_the_tested_files() {
    let page = include_str!("../../src/_documentation/recipes.md");
    let mut blocks: Vec<&str> = page.split("```\n").skip(1).step_by(2).collect();
    blocks.sort_unstable();
    let mut tested: Vec<&str> = TESTED.iter().map(|(_, text)| *text).collect();
    tested.sort_unstable();
    assert_eq!(blocks, tested);

    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/_documentation/recipes");
    let mut files: Vec<String> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    files.sort_unstable();
    let mut names: Vec<String> = TESTED
        .iter()
        .map(|(name, _)| format!("{name}.rs"))
        .collect();
    names.sort_unstable();
    assert_eq!(files, names);
}
