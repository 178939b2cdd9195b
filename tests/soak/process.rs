//! The processes of the soak, from outside.

use std::{
    collections::{HashSet, VecDeque},
    env,
    hash::{DefaultHasher, Hash as _, Hasher as _},
    process::Stdio,
    sync::{Arc, Mutex},
    time::Duration,
};

use auth_testkit::find_secrets;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    task, time,
};

use crate::{
    measure::Held,
    worker::{self, Report, Settings},
};

/// One process. Killed when it is dropped.
pub(crate) struct Process {
    pub(crate) name: String,
    child: Child,
    input: ChildStdin,
    output: Lines<BufReader<ChildStdout>>,
    log: Arc<Mutex<Log>>,
    pub(crate) held: Vec<Held>,
}

/// What a process has logged.
#[derive(Default)]
struct Log {
    /// Lines that were not searched for secrets yet, each once.
    new: String,
    /// The hashes of all lines so far.
    known: HashSet<u64>,
    /// The last lines.
    last: VecDeque<String>,
    lines: u64,
}

impl Log {
    fn add(&mut self, line: String) {
        self.lines += 1;
        let mut hasher = DefaultHasher::new();
        line.hash(&mut hasher);
        if self.known.len() > KNOWN {
            self.known.clear();
        }
        if self.known.insert(hasher.finish()) {
            self.new.push_str(&line);
            self.new.push('\n');
        }
        if self.last.len() == LAST {
            self.last.pop_front();
        }
        self.last.push_back(line);
    }
}

impl Process {
    pub(crate) fn start(name: String, settings: &Settings) -> Self {
        let mut child = Command::new(env::current_exe().unwrap())
            .env(worker::SETTINGS, serde_json::to_string(settings).unwrap())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let log = Arc::<Mutex<Log>>::default();
        task::spawn(collect(child.stderr.take().unwrap(), Arc::clone(&log)));
        Self {
            name,
            input: child.stdin.take().unwrap(),
            output: BufReader::new(child.stdout.take().unwrap()).lines(),
            child,
            log,
            held: Vec::new(),
        }
    }

    /// Returns what the process has done.
    pub(crate) async fn report(&mut self) -> Result<Report, String> {
        self.ask("report").await
    }

    /// Measures the process now.
    pub(crate) fn measure(&mut self, report: &Report) {
        let number = self.child.id();
        let held = number.and_then(|number| Held::read(number, report.tasks));
        self.held.extend(held);
    }

    /// Ends the process. Returns its last report, and how long it took.
    pub(crate) async fn finish(mut self) -> Result<(Report, Duration), String> {
        let since = time::Instant::now();
        let report = self.ask("finish").await?;
        let name = &self.name;
        let ended = time::timeout(END, self.child.wait()).await;
        let ended = ended.map_err(|_| format!("{name} has not ended after {END:?}"))?;
        match ended {
            Ok(status) if status.success() => Ok((report, since.elapsed())),
            Ok(status) => Err(format!("{name} ended with {status}")),
            Err(error) => Err(format!("{name}: {error}")),
        }
    }

    /// Searches what was logged since the last time. Returns what was found, and the number of
    /// lines.
    pub(crate) fn search(&self, secrets: &[String]) -> (Vec<String>, u64) {
        let (text, lines) = {
            let mut log = self.log.lock().unwrap();
            (std::mem::take(&mut log.new), std::mem::take(&mut log.lines))
        };
        (self.leaks("a log line", &text, secrets), lines)
    }

    /// Searches a text of the process, without repeating what was found.
    pub(crate) fn leaks(&self, place: &str, text: &str, secrets: &[String]) -> Vec<String> {
        let leaks = find_secrets(text, secrets).into_iter();
        let leaks = leaks.map(|leak| {
            let Self { name, .. } = self;
            let (secret, form) = (leak.secret, leak.form);
            format!("G18: {place} of {name} contains secret {secret} in the form {form}")
        });
        leaks.collect()
    }

    /// Returns the last lines of the log.
    pub(crate) fn last_lines(&self) -> String {
        let log = self.log.lock().unwrap();
        log.last.iter().map(|line| format!("{line}\n")).collect()
    }

    async fn ask(&mut self, what: &str) -> Result<Report, String> {
        let name = self.name.clone();
        let ask = async {
            let line = format!("{what}\n");
            self.input.write_all(line.as_bytes()).await?;
            self.output.next_line().await
        };
        match time::timeout(ANSWER, ask).await {
            Ok(Ok(Some(line))) => serde_json::from_str(&line).map_err(|e| format!("{name}: {e}")),
            Ok(Ok(None)) => Err(format!("{name} has ended")),
            Ok(Err(error)) => Err(format!("{name}: {error}")),
            Err(_) => Err(format!(
                "{name} does not answer to `{what}` within {ANSWER:?}"
            )),
        }
    }
}

async fn collect(stderr: impl AsyncRead + Unpin, log: Arc<Mutex<Log>>) {
    let mut lines = BufReader::new(stderr).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        log.lock().unwrap().add(line);
    }
}

/// The number of different lines that are remembered.
const KNOWN: usize = 100_000;
/// The number of last lines that are shown if a check fails.
const LAST: usize = 40;
/// Longer than the requests in progress take.
const ANSWER: Duration = Duration::from_secs(20);
const END: Duration = Duration::from_secs(5);
