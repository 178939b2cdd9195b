//! Hot reload: a secret in a file is changed while the program runs.

use std::{fs, path::Path};

use auth_core::{Authenticator, AuthenticatorOptions, ErrorKind, Origins, SecretFile};
use auth_oauth2::Client;
use auth_testkit::{TestServer, VirtualClock};
use tempfile::TempDir;

use crate::support::{HOUR, MINUTE, elapse, exact};

const NEW: &str = "fake-secret-new";

struct World {
    server: TestServer,
    authenticator: Authenticator,
    dir: TempDir,
}

impl World {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let clock = VirtualClock::new();
        let server = TestServer::builder().clock(&clock).in_memory();
        write(dir.path(), &server.client_secret());
        let file = SecretFile::new(dir.path().join("secret"));
        let source = Client::builder(server.token_url(), server.client_id(), server.transport())
            .secret(file)
            .clock(clock.clone())
            .build()
            .unwrap()
            .client_credentials();
        let origins = Origins::new([server.origin()]).unwrap();
        let authenticator = Authenticator::builder(source, origins)
            .options(AuthenticatorOptions::new().clock(clock).policy(exact()))
            .build()
            .unwrap();
        Self {
            server,
            authenticator,
            dir,
        }
    }

    /// Changes the file, as an operator or a secrets manager does.
    fn write(&self, secret: &str) {
        write(self.dir.path(), secret);
    }

    /// The number of the token that a caller gets.
    async fn generation(&self) -> u64 {
        let token = self.authenticator.token().await.unwrap();
        token.generation().get()
    }

    fn token_requests(&self) -> u64 {
        self.server.counters().token_requests
    }
}

/// Replaces the file in one step, so that no reader gets half a secret.
fn write(dir: &Path, secret: &str) {
    let new = dir.join("secret.new");
    fs::write(&new, secret).unwrap();
    fs::rename(new, dir.join("secret")).unwrap();
}

#[tokio::test(start_paused = true)]
async fn g06_a_changed_secret_file_is_used_at_the_next_renewal() {
    let world = World::new();
    world.authenticator.warm_up().await.unwrap();
    world.server.change_client_secret(NEW);
    world.write(NEW);
    // Nothing is read before the renewal: the token is valid with any secret.
    elapse(MINUTE).await;
    assert_eq!(world.generation().await, 1);
    assert_eq!(world.token_requests(), 1);
    elapse(HOUR).await;
    assert_eq!(world.generation().await, 2);
    assert_eq!(world.token_requests(), 2, "none was rejected");
}

#[tokio::test(start_paused = true)]
async fn g06_a_changed_secret_file_is_used_at_once_after_a_rejection() {
    let world = World::new();
    world.authenticator.warm_up().await.unwrap();
    world.server.change_client_secret(NEW);
    elapse(HOUR).await;
    let error = world.authenticator.token().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Rejected);
    assert_eq!(world.token_requests(), 2);
    // The same secret is not tried again before the probe, a few minutes later.
    elapse(MINUTE / 2).await;
    world.authenticator.token().await.unwrap_err();
    assert_eq!(world.token_requests(), 2);
    // A new secret is found by the next request, within a second and long before the probe.
    world.write(NEW);
    elapse(MINUTE / 60).await;
    assert_eq!(world.generation().await, 2);
    assert_eq!(world.token_requests(), 3);
}
