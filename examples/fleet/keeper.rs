//! Runs the Redis of this program in another process, so that no Redis remains after the program
//! ends or is killed.

use std::{
    env,
    error::Error,
    io::{self, BufRead as _, Write as _},
    process::{self, ExitCode, Stdio},
    time::Duration,
};

use redis_process::RedisServer;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    time,
};

/// The argument that starts this process.
pub(crate) const NAME: &str = "keeper";

/// For each line that it reads, kills Redis, or starts it again if it is dead. At the end of the
/// input the program has ended, and Redis is stopped.
pub(crate) fn main() -> ExitCode {
    let mut server = RedisServer::start(&[]);
    let mut is_up = true;
    let url = server.url();
    // After a failed write the other process has ended, and sends no more orders.
    let say = |what: &str| writeln!(io::stdout(), "{what}").is_ok();
    let _ = say(&url);
    for _ in io::stdin().lock().lines().map_while(Result::ok) {
        is_up = !is_up;
        if is_up {
            server.restart();
        } else {
            server.kill();
        }
        let _ = say("done");
    }
    ExitCode::SUCCESS
}

/// The connection to that process.
pub(crate) struct Keeper {
    process: Child,
    orders: ChildStdin,
    answers: Lines<BufReader<ChildStdout>>,
    url: String,
}

impl Keeper {
    pub(crate) async fn start() -> Result<Self, Box<dyn Error>> {
        let version = process::Command::new(SERVER).arg("--version").output();
        if !version.is_ok_and(|version| version.status.success()) {
            return Err(MISSING.into());
        }
        let mut process = Command::new(env::current_exe()?)
            .arg(NAME)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C is for the program, which then ends this process.
            .process_group(0)
            .spawn()?;
        let orders = process
            .stdin
            .take()
            .ok_or("the keeper of Redis has no standard input")?;
        let answers = process
            .stdout
            .take()
            .ok_or("the keeper of Redis has no standard output")?;
        let mut keeper = Self {
            process,
            orders,
            answers: BufReader::new(answers).lines(),
            url: String::new(),
        };
        keeper.url = keeper.answer().await?;
        Ok(keeper)
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Kills Redis with SIGKILL, or starts it again on the same port.
    pub(crate) async fn turn(&mut self) -> Result<(), Box<dyn Error>> {
        self.orders.write_all(b"\n").await?;
        self.answer().await.map(drop)
    }

    /// Ends Redis and waits for its end.
    pub(crate) async fn end(mut self) -> Result<(), Box<dyn Error>> {
        drop(self.orders);
        time::timeout(PATIENCE, self.process.wait()).await??;
        Ok(())
    }

    async fn answer(&mut self) -> Result<String, Box<dyn Error>> {
        let answer = time::timeout(PATIENCE, self.answers.next_line()).await??;
        Ok(answer.ok_or("Redis did not start; check that `redis-server` is on the PATH")?)
    }
}

/// Longer than the start of a Redis takes.
const PATIENCE: Duration = Duration::from_secs(40);
const SERVER: &str = "redis-server";
const MISSING: &str = "there is no redis-server on the PATH: install it (`apt-get install \
                       redis-server`), or name one with --redis URL";
