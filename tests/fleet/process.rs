//! The processes of the fleet, from outside.

use std::{collections::VecDeque, env, process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, Command},
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
    time::{self, Instant},
};

use crate::{server::Server, worker};

/// One process. Killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    tells: UnboundedSender<String>,
    says: UnboundedReceiver<Said>,
    /// Lines that were received and not read yet.
    heard: VecDeque<Said>,
    /// The error with which requests may fail.
    excuse: Option<&'static str>,
    excused: u64,
}

/// A line, and the time when it arrived.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) at: Instant,
    line: String,
}

impl Said {
    /// Returns the text after the key.
    pub(crate) fn rest(&self) -> &str {
        self.line.splitn(3, ' ').nth(2).unwrap_or_default()
    }
}

impl Process {
    /// Starts a process that waits for the store as long as it takes, so that a busy machine does
    /// not look like an outage.
    pub(crate) fn patient(store: &str, server: &Server) -> Self {
        Self::start(store, server, Some(Duration::from_secs(20)))
    }

    pub(crate) fn start(store: &str, server: &Server, latency_budget: Option<Duration>) -> Self {
        let mut command = Command::new(env::current_exe().unwrap());
        if let Some(latency_budget) = latency_budget {
            command.env(
                worker::LATENCY_BUDGET,
                latency_budget.as_millis().to_string(),
            );
        }
        let mut child = command
            .env(worker::STORE, store)
            .env(worker::SERVER, server.address().to_string())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let (tells, mut told) = mpsc::unbounded_channel::<String>();
        let mut input = child.stdin.take().unwrap();
        tokio::spawn(async move {
            while let Some(line) = told.recv().await {
                // A killed process accepts no input.
                let _ = input.write_all(line.as_bytes()).await;
            }
        });
        let (said, says) = mpsc::unbounded_channel();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        tokio::spawn(async move {
            while let Ok(Some(line)) = lines.next_line().await {
                let at = Instant::now();
                if said.send(Said { at, line }).is_err() {
                    return;
                }
            }
        });
        Self {
            child,
            tells,
            says,
            heard: VecDeque::new(),
            excuse: None,
            excused: 0,
        }
    }

    pub(crate) fn tell(&self, line: &str) {
        self.tells.send(format!("{line}\n")).unwrap();
    }

    /// Returns a function that sends lines to the process.
    pub(crate) fn teller(&self) -> impl Fn(&str) + Clone + use<> {
        let tells = self.tells.clone();
        move |line| tells.send(format!("{line}\n")).unwrap()
    }

    /// Permits requests to fail with this error. Returns how many have failed so far.
    pub(crate) fn excuse(&mut self, why: Option<&'static str>) -> u64 {
        self.excuse = why;
        self.excused
    }

    /// Waits until a request has failed with the permitted error.
    pub(crate) async fn fails(&mut self) {
        let before = self.excused;
        let listen = async {
            while self.excused == before {
                let said = self.says.recv().await.expect("it ended");
                self.hear(said);
            }
        };
        let listen = time::timeout(PATIENCE, listen).await;
        listen.expect("no request failed");
    }

    /// Waits until the process has written this word about this key.
    pub(crate) async fn says(&mut self, word: &str, key: &str) -> Said {
        let wanted = format!("{word} {key}");
        let is = |said: &Said| {
            let rest = said.line.strip_prefix(&wanted);
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
        };
        let listen = async {
            loop {
                if let Some(at) = self.heard.iter().position(is) {
                    return self.heard.remove(at).unwrap();
                }
                let said = self.says.recv().await;
                let said = said.unwrap_or_else(|| panic!("the process ended without `{wanted}`"));
                self.hear(said);
            }
        };
        let said = time::timeout(PATIENCE, listen).await;
        said.unwrap_or_else(|_| panic!("no `{wanted}`, but {:?}", self.heard))
    }

    fn hear(&mut self, said: Said) {
        if !said.line.starts_with("failed ") {
            self.heard.push_back(said);
            return;
        }
        let excuse = self.excuse.is_some_and(|why| said.line.contains(why));
        assert!(excuse, "{}", said.line);
        self.excused += 1;
    }

    fn hear_all(&mut self) {
        while let Ok(said) = self.says.try_recv() {
            self.hear(said);
        }
    }

    /// Discards the lines of this kind that were received so far.
    pub(crate) fn forget(&mut self, word: &str, key: &str) {
        self.hear_all();
        let line = format!("{word} {key} ");
        self.heard.retain(|said| !said.line.starts_with(&line));
    }

    /// Returns how often the process wrote this, among the lines received so far.
    pub(crate) fn heard(&mut self, word: &str, key: &str) -> u64 {
        self.hear_all();
        let line = format!("{word} {key}");
        let of = self.heard.iter().filter(|said| said.line == line);
        of.count() as u64
    }

    /// Kills the process with SIGKILL. Returns when it had ended.
    pub(crate) async fn kill(mut self) -> Instant {
        self.child.kill().await.unwrap();
        Instant::now()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        // By the number of a child that was not waited for, so that the number belongs to no other
        // process.
        let number = self.child.id().and_then(|id| i32::try_from(id).ok());
        kill_process(number.and_then(Pid::from_raw).unwrap(), signal).unwrap();
    }
}

const PATIENCE: Duration = Duration::from_secs(60);
