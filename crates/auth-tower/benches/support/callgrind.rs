//! Counts instructions and allocations with valgrind's callgrind, which is exact where a clock
//! depends on the load of the machine.

use std::{
    collections::HashMap,
    env,
    ffi::OsStr,
    fs,
    ops::Sub,
    path::Path,
    process::{Command, ExitCode, Stdio},
};

/// Why nothing is counted.
pub(crate) const MISSING: &str = "valgrind is not installed (cargo xtask bench installs it)";

/// The counts of one program.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Counts {
    pub(crate) instructions: f64,
    /// Calls of `malloc`, `calloc` and similar functions.
    pub(crate) allocations: f64,
    pub(crate) reallocations: f64,
}

impl Counts {
    /// The value of what was not counted.
    pub(crate) const NONE: Self = Self {
        instructions: f64::NAN,
        allocations: f64::NAN,
        reallocations: f64::NAN,
    };

    /// Runs this program under callgrind twice, with `short` and with `long` rounds. Returns the
    /// cost of one round.
    pub(crate) fn per_round(arguments: &[&str], short: u32, long: u32) -> Result<Self, String> {
        let rounds = f64::from(long - short);
        let more = run(arguments, long)? - run(arguments, short)?;
        Ok(Self {
            instructions: more.instructions / rounds,
            allocations: more.allocations / rounds,
            reallocations: more.reallocations / rounds,
        })
    }

    fn parse(profile: &str) -> Result<Self, String> {
        let mut counts = Self::default();
        let mut names: HashMap<&str, &str> = HashMap::new();
        let mut callee = "";
        let mut is_complete = false;
        for line in profile.lines() {
            let Some((key, value)) = line.split_once(['=', ':']) else {
                continue;
            };
            match key {
                // Each name is written once, after its number.
                "fn" | "cfn" => {
                    let (id, name) = value.split_once(' ').unwrap_or((value, ""));
                    let known = names.entry(id).or_insert(name);
                    callee = known;
                }
                "calls" => {
                    let times = value.split(' ').next().unwrap_or_default();
                    let times: f64 = times.parse().map_err(|_| format!("calls: {line}"))?;
                    match callee {
                        "malloc" | "calloc" | "posix_memalign" | "aligned_alloc" | "memalign" => {
                            counts.allocations += times;
                        }
                        "realloc" => counts.reallocations += times,
                        _ => {}
                    }
                }
                "totals" => {
                    is_complete = true;
                    counts.instructions = value.trim().parse().map_err(|_| line.to_owned())?;
                }
                _ => {}
            }
        }
        if !is_complete || counts.allocations == 0.0 {
            return Err("callgrind's profile has no total, or no call of malloc".to_owned());
        }
        Ok(counts)
    }
}

impl Sub for Counts {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self {
            instructions: self.instructions - other.instructions,
            allocations: self.allocations - other.allocations,
            reallocations: self.reallocations - other.reallocations,
        }
    }
}

/// Runs this program again without randomized addresses. Returns `None` if it runs that way
/// already, or if the system does not permit it: counts then differ by about ten instructions
/// between runs.
pub(crate) fn with_fixed_addresses(arguments: &[String]) -> Option<ExitCode> {
    let setarch = |program: &OsStr| {
        let mut command = Command::new("setarch");
        command.arg("--addr-no-randomize").arg(program);
        command
    };
    if env::var_os(FIXED).is_some() {
        return None;
    }
    if !setarch("true".as_ref()).status().ok()?.success() {
        return None;
    }
    let program = env::current_exe().ok()?;
    let mut command = setarch(program.as_os_str());
    let status = command.args(arguments).env(FIXED, "1").status().ok()?;
    Some(if status.success() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The variable that is set in a run without randomized addresses.
const FIXED: &str = "AUTH_BENCH_FIXED_ADDRESSES";

/// Returns whether valgrind can be run.
pub(crate) fn is_installed() -> bool {
    let mut command = Command::new("valgrind");
    command
        .arg("--version")
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

fn run(arguments: &[&str], rounds: u32) -> Result<Counts, String> {
    let program = env::current_exe().map_err(|error| error.to_string())?;
    let name = format!("callgrind-{}-{rounds}.out", arguments.join("-"));
    let profile = program.with_file_name(name);
    let result = profiled(&program, &profile, arguments, rounds);
    // Also after a failure; the file may not exist.
    let _ = fs::remove_file(&profile);
    result
}

fn profiled(
    program: &Path,
    profile: &Path,
    arguments: &[&str],
    rounds: u32,
) -> Result<Counts, String> {
    let rounds = rounds.to_string();
    let mut command = Command::new("valgrind");
    if env::var_os(FIXED).is_some() {
        fix_the_stack(&mut command, program, arguments, &rounds);
    }
    let output = command
        .args(["--tool=callgrind", "--quiet"])
        .arg(format!("--callgrind-out-file={}", profile.display()))
        .arg(program)
        .args(arguments)
        .arg(&rounds)
        // Makes the work of `malloc` independent of earlier use of the heap.
        .env("GLIBC_TUNABLES", "glibc.malloc.tcache_count=4000")
        .output()
        .map_err(|error| format!("valgrind: {error}"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(format!("valgrind: {}: {}", output.status, text.trim()));
    }
    let text = fs::read_to_string(profile).map_err(|error| error.to_string())?;
    Counts::parse(&text)
}

/// Makes the environment and the arguments equally long for all contenders, because they lie at the
/// start of the stack and so decide how the values on the stack are aligned.
fn fix_the_stack(command: &mut Command, program: &Path, arguments: &[&str], rounds: &str) {
    let path = env::var_os("PATH").unwrap_or_default();
    let arguments = arguments.iter().map(|argument| argument.len());
    // The system adds the program's name once more.
    let program = 2 * program.as_os_str().len();
    let used = arguments.sum::<usize>() + rounds.len() + program + path.len();
    let padding = "-".repeat(STACK_TEXT.saturating_sub(used));
    command
        .env_clear()
        .env("PATH", path)
        .env("AUTH_BENCH_PADDING", padding);
}

/// The length of environment and arguments, in bytes. Longer than any in use.
const STACK_TEXT: usize = 16 * 1024;
