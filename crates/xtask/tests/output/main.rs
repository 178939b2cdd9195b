//! What `cargo xtask` does when the program that reads its output has ended.

#![allow(clippy::unwrap_used, reason = "a panic fails the test")]

use std::process::{Command, Stdio};

#[test]
fn help_without_a_reader_ends_without_a_panic() {
    for (argument, code) in [("help", 0), ("no-such-command", 1)] {
        let mut program = Command::new(env!("CARGO_BIN_EXE_xtask"));
        program.arg(argument).stdout(Stdio::piped());
        let mut child = program.stderr(Stdio::piped()).spawn().unwrap();
        drop(child.stdout.take());
        let ended = child.wait_with_output().unwrap();
        let errors = String::from_utf8(ended.stderr).unwrap();
        assert_eq!(ended.status.code(), Some(code), "{argument}: {errors}");
        assert!(!errors.contains("panicked"), "{argument}: {errors}");

        let mut program = Command::new(env!("CARGO_BIN_EXE_xtask"));
        program.arg(argument).stdout(Stdio::piped());
        let mut child = program.stderr(Stdio::piped()).spawn().unwrap();
        drop((child.stdout.take(), child.stderr.take()));
        assert_eq!(child.wait().unwrap().code(), Some(code), "{argument}");
    }
}
