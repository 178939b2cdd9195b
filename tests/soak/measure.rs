//! What the system says of a process. Linux only; other systems give nothing.

use std::fs;

/// What a process holds at one time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Held {
    /// Resident memory in KiB.
    pub(crate) memory: u64,
    pub(crate) files: u64,
    pub(crate) threads: u64,
    pub(crate) tasks: u64,
}

impl Held {
    /// Reads what the process with this number holds. `tasks` is what the process says itself.
    pub(crate) fn read(process: u32, tasks: usize) -> Option<Self> {
        let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
        Some(Self {
            memory: number(&status, "VmRSS:")?,
            threads: number(&status, "Threads:")?,
            files: fs::read_dir(format!("/proc/{process}/fd")).ok()?.count() as u64,
            tasks: tasks as u64,
        })
    }
}

/// Returns the number after a name at the beginning of a line.
fn number(status: &str, name: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix(name))?;
    line.split_whitespace().next()?.parse().ok()
}
