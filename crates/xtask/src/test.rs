use std::fs;

use crate::{
    Result,
    cargo::{cargo, root, run as execute},
    chromium,
    node::Node,
    prometheus, redis,
};

/// The folder of the real authorization server, from the workspace's root.
const SERVER: &str = "tests/interop/oidc-provider";

/// The variable that enables the interop tests. Without it they print that they did not run.
const SWITCH: &str = "AUTH_INTEROP";

/// The variable with the Node that starts the server of the interop tests.
const NODE: &str = "AUTH_INTEROP_NODE";

/// The variable that enables the tests of the store in Redis. Without it they print that they did
/// not run.
const REDIS: &str = "AUTH_REDIS";

/// The variable with the browser for the tests in a browser. Without it they print that they did
/// not run.
const CHROMIUM: &str = "AUTH_CHROMIUM";

/// The variable with the Prometheus for the test of the dashboard. Without it the test prints that
/// it did not run.
const PROMETHEUS: &str = "AUTH_PROMETHEUS";

/// Runs all tests. The test runner's result is the result of the task.
pub(crate) fn run(arguments: &[String]) -> Result {
    println!("== the real server: Node and what it needs");
    let node = Node::find_or_install()?;
    println!("node {} at {}", node.version(), node.path().display());
    install(&node)?;

    println!("== Redis");
    println!("{}", redis::find_or_install()?);

    println!("== Chromium");
    let browser = chromium::find_or_install();
    match &browser {
        Ok(version) => println!("{version}"),
        Err(error) => println!("not run: the tests in a browser: {error}"),
    }

    println!("== Prometheus");
    let prometheus = prometheus::find_or_unpack();
    match &prometheus {
        Ok((program, version)) => println!("{version} at {}", program.display()),
        Err(error) => println!("not run: the test against a real Prometheus: {error}"),
    }

    println!("== all tests: unit, doc, stories, and those against the real servers");
    let mut command = cargo(&["test", "--workspace", "--locked", "--no-fail-fast"])?;
    command.env(SWITCH, "1").env(NODE, node.path());
    command.env(REDIS, "1");
    if browser.is_ok() {
        command.env(CHROMIUM, chromium::PROGRAM);
    }
    if let Ok((program, _)) = &prometheus {
        command.env(PROMETHEUS, program);
    }
    execute(command.args(arguments))
}

/// Downloads the server's packages unless those of this lock file are present.
fn install(node: &Node) -> Result {
    let server = root()?.join(SERVER);
    let lock = fs::read(server.join("package-lock.json"))?;
    // Written last, so that an interrupted download is repeated.
    let stamp = server.join("node_modules/.installed-lock.json");
    if fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        println!("{SERVER}/node_modules is up to date");
        return Ok(());
    }
    execute(
        node.npm()?
            .args(["ci", "--no-audit", "--no-fund"])
            .current_dir(&server),
    )?;
    fs::write(stamp, lock)?;
    Ok(())
}
