use crate::{Result, cargo::cargo, redis, report::Ran};

/// The name of the soak in the report.
const NAME: &str = "soak";

/// Runs the soak against a real Redis.
///
/// Arguments: `--minutes N` (Default: 20) and `--seed N`, which repeats the faults of a run. The
/// program prints its progress and a table. Its figures are kept for `cargo xtask report`.
pub(crate) fn run(arguments: &[String]) -> Result {
    let settings = Settings::parse(arguments)?;
    let ran = part(&settings)?;
    ran.write(NAME)?;
    if ran.passed {
        return Ok(());
    }
    let seed = ran.lines.last().and_then(|line| line["seed"].as_u64());
    let seed = seed
        .or(settings.seed)
        .map_or_else(|| String::from("the printed seed"), |seed| seed.to_string());
    let minutes = settings.minutes;
    Err(format!("to repeat: cargo xtask soak --minutes {minutes} --seed {seed}").into())
}

/// Runs the soak for the report.
pub(crate) fn part(settings: &Settings) -> Result<Ran> {
    println!("{}", redis::find_or_install()?);
    let mut command = cargo(&["test", "--locked", "--test", "soak", "--", "soak"])?;
    command
        .env("AUTH_REDIS", "1")
        .env("AUTH_SOAK_SECONDS", (settings.minutes * 60).to_string());
    if let Some(seed) = settings.seed {
        command.env("AUTH_SOAK_SEED", seed.to_string());
    }
    Ran::of_command(NAME, &mut command)
}

#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    minutes: u64,
    /// Default: a new one, which the program prints.
    seed: Option<u64>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            minutes: 20,
            seed: None,
        }
    }
}

impl Settings {
    fn parse(arguments: &[String]) -> Result<Self> {
        let mut settings = Self::default();
        for pair in arguments.chunks(2) {
            let [name, value] = pair else {
                return Err(format!("{} has no value", pair.concat()).into());
            };
            let number: u64 = value
                .parse()
                .map_err(|_| format!("{name}: `{value}` is not a number"))?;
            match name.as_str() {
                "--minutes" if number > 0 => settings.minutes = number,
                "--minutes" => return Err("--minutes must be at least 1".into()),
                "--seed" => settings.seed = Some(number),
                _ => {
                    return Err(format!(
                        "unknown argument `{name}`; there are `--minutes N` and `--seed N`"
                    )
                    .into());
                }
            }
        }
        Ok(settings)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &str) -> Result<Settings> {
        let words: Vec<_> = words.split_whitespace().map(str::to_owned).collect();
        Settings::parse(&words)
    }

    #[test]
    fn arguments_are_checked() {
        let both = parse("--minutes 3 --seed 7").unwrap();
        assert_eq!((both.minutes, both.seed), (3, Some(7)));
        assert_eq!(parse("").unwrap(), Settings::default());
        for wrong in ["--minutes", "--minutes 0", "--minutes x", "--hours 1", "3"] {
            assert!(parse(wrong).is_err(), "{wrong}");
        }
    }
}
