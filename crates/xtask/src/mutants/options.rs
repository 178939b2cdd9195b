use super::{GROUPS, Group, Stage};
use crate::Result;

/// What a run is limited to.
pub(super) struct Options {
    groups: Vec<String>,
    files: Vec<String>,
    shard: Option<(usize, usize)>,
    stages: usize,
    pub(super) fresh: bool,
    pub(super) only_score: bool,
}

impl Options {
    pub(super) fn parse(arguments: &[String]) -> Result<Self> {
        let mut options = Self {
            groups: Vec::new(),
            files: Vec::new(),
            shard: None,
            stages: usize::MAX,
            fresh: false,
            only_score: false,
        };
        let mut arguments = arguments.iter().map(String::as_str);
        while let Some(argument) = arguments.next() {
            let mut value = || {
                let value = arguments.next();
                value.ok_or_else(|| format!("`{argument}` needs a value"))
            };
            match argument {
                "--" => {}
                "--file" => options.files.push(value()?.to_owned()),
                "--shard" => options.shard = Some(shard(value()?)?),
                "--stages" => options.stages = stages(value()?)?,
                "--fresh" => options.fresh = true,
                "--score" => options.only_score = true,
                name if GROUPS.iter().any(|group| group.name == name) => {
                    options.groups.push(name.to_owned());
                }
                other => {
                    let groups = GROUPS.map(|group| group.name).join(", ");
                    return Err(format!(
                        "unknown argument `{other}`; groups are: {groups}; options are: --file PATH, --shard K/N, --stages N, --fresh, --score"
                    )
                    .into());
                }
            }
        }
        if let Some(file) = options
            .files
            .iter()
            .find(|file| !GROUPS.iter().any(|group| group.has(file)))
        {
            return Err(format!("no group has the file `{file}`").into());
        }
        Ok(options)
    }

    pub(super) fn wants(&self, group: &Group) -> bool {
        let is_named = self.groups.is_empty() || self.groups.iter().any(|it| it == group.name);
        is_named && (self.files.is_empty() || self.files.iter().any(|file| group.has(file)))
    }

    /// Returns the stages of a group that the run has.
    pub(super) fn stages_of(&self, group: &Group) -> &'static [Stage] {
        &group.stages[..self.stages.min(group.stages.len())]
    }

    pub(super) fn selects(&self, number: usize, file: &str) -> bool {
        let is_file = self.files.is_empty() || self.files.iter().any(|it| it == file);
        is_file
            && self
                .shard
                .is_none_or(|(part, parts)| number % parts == part)
    }
}

fn shard(text: &str) -> Result<(usize, usize)> {
    let parse = || {
        let (part, parts) = text.split_once('/')?;
        let (part, parts) = (part.parse().ok()?, parts.parse().ok()?);
        (part < parts).then_some((part, parts))
    };
    parse().ok_or_else(|| format!("`--shard {text}`: expected K/N, for example 0/8").into())
}

fn stages(text: &str) -> Result<usize> {
    let count = text.parse().ok().filter(|count| *count > 0);
    count.ok_or_else(|| format!("`--stages {text}`: expected a number from 1").into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(arguments: &[&str]) -> Result<Options> {
        let arguments: Vec<String> = arguments.iter().map(|it| (*it).to_owned()).collect();
        Options::parse(&arguments)
    }

    fn wanted(arguments: &[&str]) -> Vec<&'static str> {
        let options = parse(arguments).unwrap();
        let groups = GROUPS.iter().filter(|group| options.wants(group));
        groups.map(|group| group.name).collect()
    }

    #[test]
    fn a_file_applies_to_its_group_only() {
        assert_eq!(wanted(&[]), ["machine", "core", "layer", "reply"]);
        assert_eq!(wanted(&["reply", "layer"]), ["layer", "reply"]);
        let cases = [
            ("crates/auth-core/src/machine/backoff.rs", "machine"),
            ("crates/auth-core/src/clock.rs", "core"),
            ("crates/auth-tower/src/lib.rs", "layer"),
            ("crates/auth-oauth2/src/response.rs", "reply"),
        ];
        for (file, group) in cases {
            assert_eq!(wanted(&["--file", file]), [group]);
        }
        assert!(wanted(&["layer", "--file", "crates/auth-core/src/clock.rs"]).is_empty());
    }

    #[test]
    fn the_parts_of_a_group_are_disjoint_and_complete() {
        let parts = ["0/3", "1/3", "2/3"].map(|it| parse(&["--shard", it]).unwrap());
        for number in 0..10 {
            let owners = parts.iter().filter(|it| it.selects(number, "a.rs")).count();
            assert_eq!(owners, 1, "{number}");
        }
    }

    #[test]
    fn a_run_may_end_after_the_first_stages() {
        let count = |arguments: &[&str]| {
            let options = parse(arguments).unwrap();
            GROUPS
                .each_ref()
                .map(|group| options.stages_of(group).len())
        };
        assert_eq!(
            count(&[]),
            GROUPS.each_ref().map(|group| group.stages.len())
        );
        assert_eq!(count(&["--stages", "1"]), [1, 1, 1, 1]);
        assert_eq!(count(&["--stages", "3"]), [3, 3, 2, 1]);
    }

    #[test]
    fn unknown_arguments_are_errors() {
        let all: [&[&str]; 8] = [
            &["other"],
            &["--file"],
            &["--file", "other.rs"],
            &["--shard", "3"],
            &["--shard", "3/3"],
            &["--stages", "0"],
            &["--stages", "all"],
            &["--jobs", "2"],
        ];
        for arguments in all {
            assert!(parse(arguments).is_err(), "{arguments:?}");
        }
    }
}
