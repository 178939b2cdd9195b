//! Real Redis servers inside a test: started on free loopback ports, ended with the test.
//!
//! `redis-server` has to be on the `PATH`. Nothing is kept on disk, and only this machine can reach
//! the server. Unix only: elsewhere the crate is empty.
//!
//! # Example
//!
//! ```no_run
//! use redis_process::RedisServer;
//!
//! let mut server = RedisServer::start(&["--maxmemory", "2mb"]);
//! // Hand `server.url()` to what is under test, then:
//! server.pause();
//! // ... it gets no answers ...
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

/// A Redis server in a process of its own. Dropping it ends the process and removes its files.
pub struct RedisServer {
    port: u16,
    /// What it was started with, to start it again.
    arguments: Vec<String>,
    files: Files,
    process: Option<Process>,
}

impl RedisServer {
    /// Starts a server with more arguments, such as `["--requirepass", "fake-secret-1"]`, and waits
    /// until it answers.
    ///
    /// # Panics
    ///
    /// If there is no `redis-server`, or it does not start.
    #[must_use]
    pub fn start(arguments: &[&str]) -> Self {
        let arguments: Vec<_> = arguments.iter().copied().map(String::from).collect();
        let mut said = String::new();
        // Somebody else may be given the port before the server has it.
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

    /// Starts a sentinel that watches a server by a name, and is alone in deciding of it.
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

    /// Returns address and port.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Returns the URL, such as `redis://127.0.0.1:40123`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://{}", self.address())
    }

    /// Returns the URL with a user and a password in it.
    #[must_use]
    pub fn url_for(&self, user: &str, password: &str) -> String {
        format!("redis://{user}:{password}@{}", self.address())
    }

    /// Sends a command on a connection of its own and returns the answer as it comes, lines joined
    /// by spaces: `+OK`, `:1`, `$3 abc`, `-ERR ...`.
    ///
    /// # Panics
    ///
    /// If there is no answer.
    #[track_caller]
    #[must_use]
    pub fn command(&self, words: &[&str]) -> String {
        let words: Vec<_> = words.iter().map(|word| word.as_bytes()).collect();
        self.command_of_bytes(&words)
    }

    /// As [`command`](Self::command), with words that are no text.
    ///
    /// # Panics
    ///
    /// If there is no answer.
    #[track_caller]
    #[must_use]
    pub fn command_of_bytes(&self, words: &[&[u8]]) -> String {
        match talk::ask(self.address(), words) {
            Ok(answer) => answer,
            Err(error) => panic!("no answer: {error}\n{}", self.log()),
        }
    }

    /// Asks again and again, a bounded number of times, until the answer is a good one.
    ///
    /// # Panics
    ///
    /// If it never is.
    #[track_caller]
    pub fn wait_until(&self, words: &[&str], is_good: impl Fn(&str) -> bool) {
        let bytes: Vec<_> = words.iter().map(|word| word.as_bytes()).collect();
        let mut last = String::new();
        for _ in 0..TRIES {
            // A server that changes its role ends connections.
            match talk::ask(self.address(), &bytes) {
                Ok(answer) if is_good(&answer) => return,
                Ok(answer) => last = answer,
                Err(error) => last = error.to_string(),
            }
            thread::sleep(PAUSE);
        }
        panic!("{words:?} never was good, but {last}");
    }

    /// Ends it as an operator does.
    pub fn stop(&mut self) {
        if let Some(mut process) = self.process.take() {
            process.signal(Signal::TERM);
            process.wait();
        }
    }

    /// Ends it by SIGKILL.
    pub fn kill(&mut self) {
        // By its drop.
        self.process = None;
    }

    /// Starts it again on the same port, with the same arguments and without its data.
    ///
    /// # Panics
    ///
    /// If it does not start.
    #[track_caller]
    pub fn restart(&mut self) {
        self.kill();
        match Process::start(self.port, &self.arguments, &self.files) {
            Ok(process) => self.process = Some(process),
            Err(error) => panic!("redis-server does not start again: {error}"),
        }
    }

    /// Halts it by SIGSTOP: connections stay, and new ones are made, but nothing is answered.
    pub fn pause(&self) {
        self.signal(Signal::STOP);
    }

    /// Lets it go on, by SIGCONT.
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

/// Returns a port that was free a moment ago.
///
/// # Panics
///
/// If there is none.
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
        // The first word may say what kind of server it is to be, and names a file then.
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
        // Ends with the process. A server whose output nobody reads would hang.
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
        // By the number of a child that has not been waited for, so that it is nobody else's.
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
        // Also of one that is halted.
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

/// What a server and a sentinel log when they listen.
const READY: [&str; 2] = ["Ready to accept connections", "Sentinel ID is"];
const START: Duration = Duration::from_secs(30);
const LINES: usize = 50;
/// Together a minute.
const TRIES: usize = 6000;
const PAUSE: Duration = Duration::from_millis(10);
const HELP: &str = "`cargo xtask test` installs redis-server";
