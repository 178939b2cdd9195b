//! The examples as programs: what they print, their `--help`, their errors and exit codes.

#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    sync::LazyLock,
};

mod build;

static EXAMPLES: LazyLock<BTreeMap<String, PathBuf>> = LazyLock::new(build::examples);

/// Makes a command without the variables that an example reads.
fn program(path: &Path) -> Command {
    let mut command = Command::new(path);
    let read = [
        "AXONIZE_",
        "FLEET_",
        "KAIZEN_",
        "KAYZEN_",
        "QUICKSTART_",
        "VERDIGRIS_",
    ];
    for (name, _) in std::env::vars_os() {
        let is_read = |prefix: &&str| name.to_string_lossy().starts_with(prefix);
        if read.iter().any(is_read) {
            command.env_remove(name);
        }
    }
    command.stdin(Stdio::null());
    command
}

fn example(name: &str) -> Command {
    program(&EXAMPLES[name])
}

struct Ended {
    code: Option<i32>,
    out: String,
    errors: String,
}

fn run(command: &mut Command) -> Ended {
    let Output {
        status,
        stdout,
        stderr,
    } = command.output().unwrap();
    Ended {
        code: status.code(),
        out: String::from_utf8(stdout).unwrap(),
        errors: String::from_utf8(stderr).unwrap(),
    }
}

#[test]
fn each_example_has_a_help_text_without_colour_when_it_is_piped() {
    assert!(EXAMPLES.len() >= 14, "{EXAMPLES:?}");
    for (name, path) in EXAMPLES.iter() {
        let ended = run(program(path).arg("--help"));
        assert_eq!(ended.code, Some(0), "{name}: {}", ended.errors);
        assert!(ended.errors.is_empty(), "{name}: {}", ended.errors);
        assert!(
            ended.out.contains(&format!("Usage: {name}")),
            "{name}: {}",
            ended.out
        );
        assert!(
            ended.out.find("Usage:").unwrap() > 20,
            "{name} says what it does"
        );
        assert!(!ended.out.contains('\x1b'), "{name}: {}", ended.out);
    }
}

/// Runs a program while nobody reads its output, as in `example | head -1` after the first line.
fn run_unread(command: &mut Command) -> Ended {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    let Output { status, stderr, .. } = child.wait_with_output().unwrap();
    Ended {
        code: status.code(),
        out: String::new(),
        errors: String::from_utf8(stderr).unwrap(),
    }
}

/// The same for `example 2>&1 | head -1`.
fn code_unread(command: &mut Command) -> Option<i32> {
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop((child.stdout.take(), child.stderr.take()));
    child.wait().unwrap().code()
}

#[test]
fn no_example_panics_when_the_reader_of_its_output_is_gone() {
    for (name, path) in EXAMPLES.iter() {
        for (flag, code) in [("--help", 0), ("--no-such-flag", 2)] {
            let ended = run_unread(program(path).arg(flag));
            assert_eq!(ended.code, Some(code), "{name} {flag}: {}", ended.errors);
            assert!(
                !ended.errors.contains("panicked"),
                "{name}: {}",
                ended.errors
            );
            let code_unread = code_unread(program(path).arg(flag));
            assert_eq!(code_unread, Some(code), "{name} {flag}");
        }
    }
    for (name, arguments, _) in WITH_OWN_SERVER {
        let ended = run_unread(example(name).args(arguments));
        assert_eq!(ended.code, Some(0), "{name}: {}", ended.errors);
        assert!(ended.errors.is_empty(), "{name}: {}", ended.errors);
    }
    let unread = code_unread(example("settings_file").arg("no-such-file.toml"));
    assert_eq!(unread, Some(1));
}

#[test]
fn each_example_is_in_the_index() {
    let index = include_str!("../../examples/README.md");
    for name in EXAMPLES.keys() {
        let entry = format!("cargo run --example {name}");
        assert!(
            index.contains(&entry),
            "{name} is missing in examples/README.md"
        );
    }
}

#[test]
fn each_example_rejects_a_wrong_flag_with_exit_code_2() {
    for (name, path) in EXAMPLES.iter() {
        let ended = run(program(path).arg("--no-such-flag"));
        assert_eq!(ended.code, Some(2), "{name}: {}", ended.errors);
        assert!(ended.out.is_empty(), "{name}: {}", ended.out);
        assert!(
            ended.errors.contains("--no-such-flag"),
            "{name}: {}",
            ended.errors
        );
        assert!(!ended.errors.contains('\x1b'), "{name}: {}", ended.errors);
    }
}

#[test]
fn an_error_names_an_argument_that_is_missing_or_out_of_range() {
    for (name, arguments, missing) in [
        ("fake_vendor", &[][..], "<VENDOR>"),
        ("fake_vendor", &["acme"], "verdigris"),
        ("verdigris_buildings", &[], "--client-id"),
        (
            "kaizen_buildings",
            &["--client-id", "fake-id", "--region", "west"],
            "east",
        ),
        ("kayzen_campaigns", &["--api-key", "fake-key"], "--email"),
        (
            "axonize_devices",
            &["--base-url", "https://api.example.com"],
            "--app-id",
        ),
        ("fleet", &["--processes", "1"], "2..=50"),
        ("fleet", &["--after", "0"], "1..=600"),
        (
            "quickstart",
            &["--token-url", "https://login.example.com/token"],
            "--client-id",
        ),
    ] {
        let ended = run(example(name).args(arguments));
        assert_eq!(
            ended.code,
            Some(2),
            "{name} {arguments:?}: {}",
            ended.errors
        );
        assert!(
            ended.errors.contains(missing),
            "{name} {arguments:?}: {}",
            ended.errors
        );
    }
}

#[test]
fn a_failure_is_printed_with_its_cause_and_exit_code_1() {
    let ended = run(example("verdigris_buildings")
        .args(["--client-id", "fake-id"])
        // No program listens on port 9 of this machine.
        .args(["--token-url", "http://127.0.0.1:9/token"])
        .args(["--base-url", "http://127.0.0.1:9"])
        .env("VERDIGRIS_CLIENT_SECRET", "fake-secret-1"));
    assert_eq!(ended.code, Some(1), "{}", ended.errors);
    assert!(ended.errors.starts_with("error: "), "{}", ended.errors);
    assert!(ended.errors.contains("127.0.0.1:9"), "{}", ended.errors);
    assert!(!ended.errors.contains("fake-secret-1"), "{}", ended.errors);

    for name in ["fleet", "redis_login"] {
        let ended = run(example(name).env("PATH", "/no-such-folder"));
        assert_eq!(ended.code, Some(1), "{name}: {}", ended.errors);
        let told = ended.errors.contains("redis-server") && ended.errors.contains("apt-get");
        assert!(
            told && ended.errors.lines().count() == 1,
            "{}",
            ended.errors
        );
    }

    let ended = run(example("settings_file").arg("no-such-file.toml"));
    assert_eq!(ended.code, Some(1), "{}", ended.errors);
    assert!(
        ended.errors.contains("no-such-file.toml"),
        "{}",
        ended.errors
    );
}

/// The examples that need no other server: name, arguments, a part of the output.
const WITH_OWN_SERVER: [(&str, &[&str], &str); 9] = [
    ("all_vendors", &[], "=== Kayzen"),
    ("axum_service", &[], "token requests"),
    ("cli_with_store", &[], "run 2: 200 OK, token requests: 0"),
    ("grpc_client", &[], "token requests: 2"),
    ("hyper_client", &[], "token requests: 2"),
    ("quickstart", &["--json"], "\"cold_start\""),
    ("reqwest_middleware", &[], "token requests: 2"),
    ("reqwest_tower", &[], "token requests: 2"),
    ("settings_file", &[], "kayzen: 2 token requests, 0 rejected"),
];

#[test]
fn the_examples_with_their_own_server_run_without_arguments() {
    for (name, arguments, printed) in WITH_OWN_SERVER {
        let ended = run(example(name).args(arguments));
        assert_eq!(ended.code, Some(0), "{name}: {}", ended.errors);
        assert!(ended.out.contains(printed), "{name}: {}", ended.out);
        assert!(!ended.out.contains('\x1b'), "{name}: {}", ended.out);
    }
}

/// The programs for one vendor each, with the vendor's fake server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_vendors_examples_run_with_their_fakes() {
    let verdigris = auth_verdigris::fake::server().start().await;
    let kaizen = auth_kaizen::fake::east().start().await;
    let kayzen = auth_kayzen::fake::server().start().await;
    let axonize = auth_axonize::fake::login().start().await;
    let keys = auth_axonize::fake::api_keys().start().await;
    for (vendor, server, name) in [
        ("VERDIGRIS", &verdigris, "verdigris_buildings"),
        ("KAIZEN", &kaizen, "kaizen_buildings"),
        ("KAYZEN", &kayzen, "kayzen_campaigns"),
        ("AXONIZE", &axonize, "axonize_devices"),
        ("AXONIZE_KEYS", &keys, "axonize_devices"),
    ] {
        let mut command = example(name);
        let mut set = |variable: &str, value: &str| {
            let vendor = vendor.trim_end_matches("_KEYS");
            command.env(format!("{vendor}_{variable}"), value);
        };
        set("BASE_URL", server.origin());
        set("TOKEN_URL", &server.token_url());
        set("REGION", "east");
        match vendor {
            "AXONIZE" => set("APP_ID", server.client_id()),
            "KAYZEN" => set("API_KEY", server.client_id()),
            _ => set("CLIENT_ID", server.client_id()),
        }
        set("CLIENT_SECRET", &server.client_secret());
        set("API_SECRET", &server.client_secret());
        set("EMAIL", server.user_name());
        set("PASSWORD", &server.user_password());
        let ended = tokio::task::spawn_blocking(move || run(&mut command));
        let ended = ended.await.unwrap();
        assert_eq!(ended.code, Some(0), "{name}: {}", ended.errors);
        assert!(!ended.out.is_empty(), "{name}");
        let counters = server.counters();
        assert_eq!(counters.api_requests, 1, "{name}: {}", ended.out);
        assert_eq!(counters.failed_logins, 0, "{name}");
    }
}
