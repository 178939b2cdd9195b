//! Real Redis servers for tests: started on free loopback ports, stopped with the test.
//!
//! `redis-server` must be on the `PATH`. No data is kept on disk, and only this machine can reach
//! the server. Unix only: on other systems the crate is empty.
//!
//! # Example
//!
//! ```no_run
//! use redis_process::RedisServer;
//!
//! let mut server = RedisServer::start(&["--maxmemory", "2mb"]);
//! // Pass `server.url()` to the code under test, then:
//! server.pause();
//! // ... the server does not answer ...
//! server.resume();
//! server.kill();
//! server.restart();
//! assert_eq!(server.command(&["DBSIZE"]), ":0");
//! ```
#![cfg(unix)]

use std::{
    collections::VecDeque,
    env, fmt, fs,
    io::{BufRead as _, BufReader},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::PathBuf,
    process::{Child, Command, Stdio, id},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc,
    },
    thread,
    time::Duration,
};

use rustix::process::{Pid, Signal, kill_process};

mod cluster;
mod proxy;
mod talk;

pub use cluster::RedisCluster;
pub use proxy::FaultProxy;

/// A Redis server in its own process. Dropping it ends the process and removes its files.
pub struct RedisServer {
    port: u16,
    /// The arguments, for a restart.
    arguments: Vec<String>,
    files: Files,
    process: Option<Process>,
}

impl RedisServer {
    /// Starts a server with additional arguments, such as `["--requirepass", "fake-secret-1"]`, and
    /// waits until it answers.
    ///
    /// # Panics
    ///
    /// If `redis-server` is missing or does not start.
    #[must_use]
    pub fn start(arguments: &[&str]) -> Self {
        let arguments: Vec<_> = arguments.iter().copied().map(String::from).collect();
        let mut said = String::new();
        // Another process may take the port before the server does.
        for _ in 0..10 {
            let (port, files) = (free_port(), Files::new());
            match Process::start(port, &arguments, &files) {
                Ok(process) => {
                    return Self {
                        port,
                        arguments,
                        files,
                        process: Some(process),
                    };
                }
                Err(error) => said = error,
            }
        }
        panic!("redis-server does not start: {said}");
    }

    /// Starts a sentinel that watches a server under a name, with a quorum of one.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    #[must_use]
    pub fn start_sentinel(name: &str, server: &Self) -> Self {
        let monitor = format!("{name} 127.0.0.1 {} 1", server.port);
        let sentinel = Self::start(&["--sentinel"]);
        let words = monitor.split(' ');
        let command: Vec<_> = ["SENTINEL", "MONITOR"].into_iter().chain(words).collect();
        assert_eq!(sentinel.command(&command), "+OK");
        sentinel
    }

    /// Returns the port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Returns host and port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Returns the URL, such as `redis://127.0.0.1:40123`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// Returns the URL with a user name and a password.
    #[must_use]
    pub fn url_for(&self, user: &str, password: &str) -> String {
        format!("redis://{user}:{password}@{}", self.address())
    }

    /// Sends a command on its own connection and returns the answer, lines joined by spaces: `+OK`,
    /// `:1`, `$3 abc`, `-ERR ...`.
    ///
    /// # Panics
    ///
    /// If the server does not answer.
    #[track_caller]
    #[must_use]
    pub fn command(&self, words: &[&str]) -> String {
        let words: Vec<_> = words.iter().map(|word| word.as_bytes()).collect();
        self.command_of_bytes(&words)
    }

    /// As [`command`](Self::command), with words that are not UTF-8.
    ///
    /// # Panics
    ///
    /// If the server does not answer.
    #[track_caller]
    #[must_use]
    pub fn command_of_bytes(&self, words: &[&[u8]]) -> String {
        match talk::ask(self.address(), words) {
            Ok(answer) => answer,
            Err(error) => panic!("no answer: {error}\n{}", self.log()),
        }
    }

    /// Repeats a command until the answer is accepted, a limited number of times.
    ///
    /// # Panics
    ///
    /// If no answer is accepted.
    #[track_caller]
    pub fn wait_until(&self, words: &[&str], is_good: impl Fn(&str) -> bool) {
        let bytes: Vec<_> = words.iter().map(|word| word.as_bytes()).collect();
        let mut last = String::new();
        for _ in 0..TRIES {
            // A server that changes its role closes connections.
            match talk::ask(self.address(), &bytes) {
                Ok(answer) if is_good(&answer) => return,
                Ok(answer) => last = answer,
                Err(error) => last = error.to_string(),
            }
            thread::sleep(PAUSE);
        }
        panic!("{words:?} had no accepted answer; the last was {last}");
    }

    /// Stops the server as an operator does.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.signal(Signal::TERM);
            process.wait();
        }
    }

    /// Kills the server by SIGKILL.
    pub fn kill(&mut self) {
        // Dropping the process kills it.
        self.process = None;
    }

    /// Starts the server again on the same port, with the same arguments and without its data.
    ///
    /// # Panics
    ///
    /// If the server does not start.
    #[track_caller]
    pub fn restart(&mut self) {
        self.kill();
        match Process::start(self.port, &self.arguments, &self.files) {
            Ok(process) => self.process = Some(process),
            Err(error) => panic!("redis-server does not start again: {error}"),
        }
    }

    /// Stops the process by SIGSTOP: connections stay open, new ones are accepted, but no command
    /// is answered.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Continues the process by SIGCONT.
    pub fn resume(&self) {
        self.signal(Signal::CONT);
    }

    /// Returns the last lines that the server logged.
    #[must_use]
    pub fn log(&self) -> String {
        self.process.as_ref().map_or_else(String::new, Process::log)
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
    }
}

impl fmt::Debug for RedisServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisServer")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

/// Returns a port that was free just now.
///
/// # Panics
///
/// If no port is free.
#[must_use]
pub fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0));
    let port = listener.and_then(|listener| listener.local_addr());
    port.expect("a free port on loopback").port()
}

/// A running server; killed and waited for when it is dropped.
struct Process {
    child: Child,
    log: Log,
}

type Log = Arc<Mutex<VecDeque<String>>>;

impl Process {
    fn start(port: u16, arguments: &[String], files: &Files) -> Result<Self, String> {
        // The first word may be the kind of server, and then names a file.
        let (sentinel, arguments) = match arguments.split_first() {
            Some((first, rest)) if first == "--sentinel" => (true, rest),
            _ => (false, arguments),
        };
        let mut command = Command::new("redis-server");
        if sentinel {
            let file = files.0.join("sentinel.conf");
            fs::write(&file, "").map_err(|error| format!("{}: {error}", file.display()))?;
            command.arg(file).arg("--sentinel");
        } else {
            command.args(["--save", "", "--appendonly", "no"]);
        }
        let port = port.to_string();
        command
            .args(["--bind", "127.0.0.1", "--protected-mode", "yes"])
            .args(["--port", &port, "--logfile", "", "--dir"])
            .arg(&files.0)
            .args(arguments);
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("{error}: {HELP}"))?;
        let output = child.stdout.take();
        let log = Log::default();
        let process = Self {
            child,
            log: Arc::clone(&log),
        };
        let (ready, wait) = mpsc::channel();
        // Ends with the process. A server blocks if its output is not read.
        thread::spawn(move || {
            let lines = output.into_iter().flat_map(|o| BufReader::new(o).lines());
            for line in lines.map_while(Result::ok) {
                let is_ready = READY.iter().any(|word| line.contains(word));
                push(&log, line);
                if is_ready {
                    let _ = ready.send(());
                }
            }
        });
        match wait.recv_timeout(START) {
            Ok(()) => Ok(process),
            Err(_) => Err(process.log()),
        }
    }

    fn signal(&self, signal: Signal) {
        // A child that has not been waited for, so that its id belongs to no other process.
        let number = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        if let Some(pid) = number {
            let _ = kill_process(pid, signal);
        }
    }

    fn wait(&mut self) {
        let _ = self.child.wait();
    }

    fn log(&self) -> String {
        let lines = self.log.lock().unwrap_or_else(PoisonError::into_inner);
        lines.iter().map(|line| format!("{line}\n")).collect()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Also kills a stopped process.
        let _ = self.child.kill();
        self.wait();
    }
}

fn push(log: &Log, line: String) {
    let mut lines = log.lock().unwrap_or_else(PoisonError::into_inner);
    if lines.len() == LINES {
        lines.pop_front();
    }
    lines.push_back(line);
}

/// A server's directory.
struct Files(PathBuf);

impl Files {
    fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(0);
        let name = format!(
            "auth-redis-{}-{}",
            id(),
            NEXT.fetch_add(1, Ordering::Relaxed)
        );
        let path = env::temp_dir().join(name);
        fs::create_dir_all(&path).expect("a directory can be made");
        Self(path)
    }
}

impl Drop for Files {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// The lines that a server and a sentinel log when they listen.
const READY: [&str; 2] = ["Ready to accept connections", "Sentinel ID is"];
const START: Duration = Duration::from_secs(30);
const LINES: usize = 50;
/// One minute together.
const TRIES: usize = 6000;
const PAUSE: Duration = Duration::from_millis(10);
const HELP: &str = "`cargo xtask test` installs redis-server";
