use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use crate::{
    Result, apt,
    cargo::{output, root, run},
};

/// The oldest Node that the real server supports.
const OLDEST: (u32, u32) = (20, 12);

/// The version that is downloaded from npm if the system's Node is too old.
const FETCHED: &str = "22.23.3";

/// The packages that install Node on Debian.
const PACKAGES: [&str; 2] = ["nodejs", "npm"];

/// A Node that is new enough.
pub(crate) struct Node {
    path: PathBuf,
    version: String,
}

impl Node {
    /// Uses the system's Node. Installs it with apt-get if it is missing and the user is root.
    /// Downloads a newer one into the target directory if it is too old.
    pub(crate) fn find_or_install() -> Result<Self> {
        if !apt::on_path("node") || !apt::on_path("npm") {
            apt::install(&PACKAGES)
                .map_err(|error| format!("node with npm is missing ({error}): {}", by_hand()))?;
        }
        let system = Self::at(PathBuf::from("node"))?;
        if system.is_new_enough() {
            return Ok(system);
        }
        println!(
            "the system's node {} is too old, so {FETCHED} from npm is used",
            system.version
        );
        let fetched = Self::fetch()?;
        if fetched.is_new_enough() {
            Ok(fetched)
        } else {
            Err(too_old(&fetched.version))
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn version(&self) -> &str {
        &self.version
    }

    /// Makes an npm command that runs on this Node.
    pub(crate) fn npm(&self) -> Result<Command> {
        let mut command = Command::new("npm");
        if let Some(directory) = self.path.parent().filter(|path| path.is_absolute()) {
            let rest = env::var_os("PATH").unwrap_or_default();
            let directories = [directory.to_owned()]
                .into_iter()
                .chain(env::split_paths(&rest));
            command.env("PATH", env::join_paths(directories)?);
        }
        Ok(command)
    }

    fn at(path: PathBuf) -> Result<Self> {
        let version = output(Command::new(&path).arg("--version"))?;
        Ok(Self {
            path,
            version: version.trim().trim_start_matches('v').to_owned(),
        })
    }

    fn is_new_enough(&self) -> bool {
        let mut numbers = self
            .version
            .split('.')
            .map_while(|part| part.parse::<u32>().ok());
        match (numbers.next(), numbers.next()) {
            (Some(major), Some(minor)) => (major, minor) >= OLDEST,
            _ => false,
        }
    }

    /// Node's binary is an npm package: no root is needed, and no other place to download from.
    fn fetch() -> Result<Self> {
        let machine = match (env::consts::OS, env::consts::ARCH) {
            ("linux", "x86_64") => "linux-x64",
            ("linux", "aarch64") => "linux-arm64",
            ("macos", "aarch64") => "darwin-arm64",
            (os, arch) => return Err(format!("no Node for {arch} {os}: {}", by_hand()).into()),
        };
        let directory = root()?.join("target/interop");
        let path = directory.join(format!("node_modules/node-{machine}/bin/node"));
        if let Ok(node) = Self::at(path.clone()) {
            return Ok(node);
        }
        std::fs::create_dir_all(&directory)?;
        let mut command = Command::new("npm");
        command.args([
            "install",
            "--no-save",
            "--no-audit",
            "--no-fund",
            "--prefix",
        ]);
        run(command
            .arg(directory)
            .arg(format!("node-{machine}@{FETCHED}")))?;
        Self::at(path)
    }
}

fn by_hand() -> String {
    let (major, minor) = OLDEST;
    let apt = apt::by_hand(&PACKAGES);
    format!("install Node {major}.{minor} or newer with npm, on Debian by `{apt}`, and try again")
}

fn too_old(version: &str) -> Box<dyn std::error::Error> {
    format!("node {version} is too old: {}", by_hand()).into()
}
