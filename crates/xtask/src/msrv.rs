mod syntax;

use std::{collections::BTreeSet, fmt, process::Command};

use crate::{
    Result,
    cargo::{Metadata, Package, cargo, output, root, run as execute},
};

/// Checks that the `rust-version` of the workspace is the highest that anything asks for which a
/// published crate needs: not lower, or it promises what cannot work, and not higher, or it shuts
/// somebody out for nothing. Where that release is installed, compiles with it.
pub(crate) fn run(_: &[String]) -> Result {
    let metadata = Metadata::load()?;
    let published: Vec<Package<'_>> = metadata.published().collect();
    let needed = needed(&metadata, &published)?;
    for package in &published {
        let name = package.name();
        let stated = package
            .rust_version()
            .ok_or_else(|| format!("{name} has no rust-version"))?;
        if Version::parse(stated)? != needed {
            return Err(format!("{name} states {stated}: correct the root Cargo.toml").into());
        }
    }
    if needed < LET_CHAINS {
        for package in &published {
            let chains = syntax::let_chains(&package.directory().join("src"))?;
            if !chains.is_empty() {
                let places = chains.join(", ");
                return Err(format!("chains of let need Rust {LET_CHAINS}: {places}").into());
            }
        }
    }
    compile(needed, &published)
}

/// The highest release that a package asks for, by its `rust-version` or its edition. Of our own
/// crates only the edition counts: what they state is what is checked.
fn needed(metadata: &Metadata, published: &[Package<'_>]) -> Result<Version> {
    let tree = tree(published)?;
    let mut highest = Version(0, 0);
    let mut asking = Vec::new();
    for package in metadata.packages() {
        if !tree.contains(&(package.name().to_owned(), package.version().to_owned())) {
            continue;
        }
        let own = published.iter().any(|other| other.id() == package.id());
        let stated = package
            .rust_version()
            .filter(|_| !own)
            .map(Version::parse)
            .transpose()?;
        let asked = stated.unwrap_or(Version(0, 0)).max(edition(package));
        if asked > highest {
            highest = asked;
            asking.clear();
        }
        if asked == highest {
            asking.push(package.name());
        }
    }
    println!("Rust {highest} is needed by {}", asking.join(", "));
    Ok(highest)
}

/// Names and versions of everything that compiling these crates takes, with every feature and for
/// every target. Not read off the metadata, which lists dependencies that nobody switches on.
fn tree(published: &[Package<'_>]) -> Result<BTreeSet<(String, String)>> {
    let mut command = cargo(&["tree", "--locked", "--all-features", "--target=all"])?;
    command.args([
        "--edges=normal,build",
        "--prefix=none",
        "--no-dedupe",
        "--format={p}",
    ]);
    for package in published {
        command.args(["--package", package.name()]);
    }
    let tree = output(&mut command)?;
    let mut packages = BTreeSet::new();
    for line in tree.lines() {
        if let Some((name, rest)) = line.split_once(" v") {
            let version = rest.split(' ').next().unwrap_or(rest);
            packages.insert((name.to_owned(), version.to_owned()));
        }
    }
    Ok(packages)
}

/// Compiles with the release itself, where rustup has it.
fn compile(release: Version, published: &[Package<'_>]) -> Result {
    let installed = Command::new("rustup").args(["toolchain", "list"]).output();
    let installed = installed.map(|out| String::from_utf8_lossy(&out.stdout).into_owned());
    let name = format!("{release}-");
    if !installed.is_ok_and(|list| list.lines().any(|line| line.starts_with(&name))) {
        println!("not run: compiling with it (rustup toolchain install {release})");
        return Ok(());
    }
    let mut command = Command::new("rustup");
    // Not cargo's own variables, which name another toolchain.
    command
        .current_dir(root()?)
        .env_remove("CARGO")
        .env_remove("RUSTUP_TOOLCHAIN");
    command.args([
        "run",
        &release.to_string(),
        "cargo",
        "check",
        "--locked",
        "--all-features",
    ]);
    for package in published {
        command.args(["--package", package.name()]);
    }
    execute(&mut command)
}

/// The first release with `if let ... && ...`.
const LET_CHAINS: Version = Version(1, 88);

/// The first release that knows a package's edition.
fn edition(package: Package<'_>) -> Version {
    match package.edition() {
        "2015" => Version(1, 0),
        "2018" => Version(1, 31),
        "2021" => Version(1, 56),
        _ => Version(1, 85),
    }
}

/// A Rust release without its patch number.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Version(u32, u32);

impl Version {
    fn parse(text: &str) -> Result<Self> {
        let mut parts = text.split('.').map(str::parse);
        match (parts.next(), parts.next()) {
            (Some(Ok(major)), Some(Ok(minor))) => Ok(Self(major, minor)),
            (Some(Ok(major)), None) => Ok(Self(major, 0)),
            _ => Err(format!("not a Rust release: `{text}`").into()),
        }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.0, self.1)
    }
}
