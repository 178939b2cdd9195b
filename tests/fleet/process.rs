//! Processes of the fleet, from outside.

use std::{collections::VecDeque, env, process::Stdio, time::Duration};

use rustix::process::{Pid, Signal, kill_process};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    process::{Child, Command},
    sync::mpsc::{self, UnboundedReceiver, UnboundedSender},
    time::{self, Instant},
};

use crate::{server::Server, worker};

/// One process; killed when it is dropped.
pub(crate) struct Process {
    child: Child,
    tells: UnboundedSender<String>,
    says: UnboundedReceiver<Said>,
    /// Said, and not asked for yet.
    heard: VecDeque<Said>,
    /// What requests may fail with.
    excuse: Option<&'static str>,
    excused: u64,
}

/// A line, and when it came.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) at: Instant,
    line: String,
}

impl Said {
    /// What follows the key.
    pub(crate) fn rest(&self) -> &str {
        self.line.splitn(3, ' ').nth(2).unwrap_or_default()
    }
}

impl Process {
    /// One that has all the time that the store takes, so that a busy machine is no outage.
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
                // One that was killed takes nothing.
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

    /// A way to tell it more from elsewhere.
    pub(crate) fn teller(&self) -> impl Fn(&str) + Clone + use<> {
        let tells = self.tells.clone();
        move |line| tells.send(format!("{line}\n")).unwrap()
    }

    /// Lets requests fail, if that is why. Returns how many have done so.
    pub(crate) fn excuse(&mut self, why: Option<&'static str>) -> u64 {
        self.excuse = why;
        self.excused
    }

    /// Waits until a request has failed for the reason that it may.
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

    /// Waits until it has said this word of this key.
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
                let said = said.unwrap_or_else(|| panic!("it ended without `{wanted}`"));
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

    /// Leaves out what it has said of this so far.
    pub(crate) fn forget(&mut self, word: &str, key: &str) {
        self.hear_all();
        let line = format!("{word} {key} ");
        self.heard.retain(|said| !said.line.starts_with(&line));
    }

    /// How often it said this, of what was heard so far.
    pub(crate) fn heard(&mut self, word: &str, key: &str) -> u64 {
        self.hear_all();
        let line = format!("{word} {key}");
        let of = self.heard.iter().filter(|said| said.line == line);
        of.count() as u64
    }

    /// Ends it by SIGKILL, and returns when it was gone.
    pub(crate) async fn kill(mut self) -> Instant {
        self.child.kill().await.unwrap();
        Instant::now()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        // By the number of a child that was not waited for, so that it is nobody else's.
        let number = self.child.id().and_then(|id| i32::try_from(id).ok());
        kill_process(number.and_then(Pid::from_raw).unwrap(), signal).unwrap();
    }
}

const PATIENCE: Duration = Duration::from_secs(60);
