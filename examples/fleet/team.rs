use std::{env, error::Error, process::Stdio, time::Duration};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout, Command},
    sync::watch,
    time,
};

use crate::worker::{self, Order, Report, Settings};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

/// Processes with the same task. They end when this value is dropped, and when this process dies.
pub(crate) struct Team(Vec<Worker>);

struct Worker {
    child: Child,
    orders: ChildStdin,
    last_report: watch::Receiver<Option<Report>>,
}

impl Team {
    /// Starts the processes and waits until all are ready.
    pub(crate) async fn start(processes: u32, settings: &Settings) -> Result<Self> {
        let mut team = Vec::new();
        for _ in 0..processes {
            team.push(Starting::new()?);
        }
        let mut ready = Vec::new();
        for worker in team {
            ready.push(time::timeout(START, worker.ready(settings)).await??);
        }
        Ok(Self(ready))
    }

    pub(crate) async fn order(&mut self, order: Order) -> Result<()> {
        for worker in &mut self.0 {
            say(&mut worker.orders, &order).await?;
        }
        Ok(())
    }

    /// Waits until all processes use one token.
    pub(crate) async fn one_token(&self) {
        let token = |worker: &Worker| worker.last_report.borrow().as_ref()?.token;
        loop {
            let mut tokens = self.0.iter().map(token);
            let first = tokens.next().flatten();
            if first.is_some() && tokens.all(|token| token == first) {
                return;
            }
            time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits for requests in progress. Returns the counts of each process.
    pub(crate) async fn finish(mut self) -> Result<Vec<Report>> {
        self.order(Order::Finish).await?;
        let mut reports = Vec::new();
        for mut worker in self.0 {
            let is_last = |report: &Option<Report>| report.as_ref().is_some_and(|r| r.finished);
            let last = time::timeout(END, worker.last_report.wait_for(is_last)).await?;
            let last = last.map_err(|_| "a worker ended without a report")?.clone();
            reports.extend(last);
            time::timeout(END, worker.child.wait()).await??;
        }
        Ok(reports)
    }
}

struct Starting {
    child: Child,
    orders: ChildStdin,
    reports: Lines<BufReader<ChildStdout>>,
}

impl Starting {
    fn new() -> Result<Self> {
        let mut child = Command::new(env::current_exe()?)
            .arg(worker::NAME)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let orders = child.stdin.take().ok_or("a worker has no standard input")?;
        let reports = child
            .stdout
            .take()
            .ok_or("a worker has no standard output")?;
        Ok(Self {
            child,
            orders,
            reports: BufReader::new(reports).lines(),
        })
    }

    async fn ready(mut self, settings: &Settings) -> Result<Worker> {
        say(&mut self.orders, settings).await?;
        let first = self.reports.next_line().await?;
        first.ok_or("a worker did not start")?;
        let mut reports = self.reports;
        let (report, last_report) = watch::channel(None);
        tokio::spawn(async move {
            while let Ok(Some(line)) = reports.next_line().await {
                report.send_replace(serde_json::from_str(&line).ok());
            }
        });
        Ok(Worker {
            child: self.child,
            orders: self.orders,
            last_report,
        })
    }
}

async fn say(to: &mut ChildStdin, what: &impl serde::Serialize) -> Result<()> {
    let mut line = serde_json::to_vec(what)?;
    line.push(b'\n');
    to.write_all(&line).await?;
    Ok(to.flush().await?)
}

const START: Duration = Duration::from_secs(30);
/// Longer than any request takes.
const END: Duration = Duration::from_secs(15);
