mod syntax;

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    process::Command,
};

use crate::{
    Result,
    cargo::{Metadata, Package, cargo, output, root, run as execute},
};

/// Checks the `rust-version` of each package of the workspace: it must be the highest that the
/// package's edition or one of its dependencies needs. With a lower one the package does not
/// compile; a higher one excludes users without need. Compiles with these releases if they are
/// installed.
pub(crate) fn run(_: &[String]) -> Result {
    let metadata = Metadata::load()?;
    let mut groups: BTreeMap<Version, Vec<&str>> = BTreeMap::new();
    for package in metadata.members() {
        let Need { release, asking } = need(&metadata, package)?;
        let name = package.name();
        let stated = package
            .rust_version()
            .ok_or_else(|| format!("{name} has no rust-version"))?;
        println!("{name}: Rust {release}, for {}", asking.join(", "));
        if Version::parse(stated)? != release {
            return Err(format!(
                "{name} states rust-version {stated} and needs {release}: correct its Cargo.toml"
            )
            .into());
        }
        if release < LET_CHAINS && metadata.is_published(package) {
            refuse_let_chains(package)?;
        }
        groups.entry(release).or_default().push(name);
    }
    for (release, packages) in groups {
        compile(release, &packages)?;
    }
    Ok(())
}

/// The release that a package needs, and the packages that need it.
struct Need<'a> {
    release: Version,
    asking: Vec<&'a str>,
}

/// Finds the highest release that a package needs, by the `rust-version` and the edition of all
/// packages that are compiled for it. Of our own crates only the edition counts, because their
/// `rust-version` is what is checked, and their dependencies are in the tree.
fn need<'a>(metadata: &'a Metadata, package: Package<'_>) -> Result<Need<'a>> {
    let tree = tree(metadata, package)?;
    let mut need = Need {
        release: Version(0, 0),
        asking: Vec::new(),
    };
    for other in metadata.packages() {
        if !tree.contains(&(other.name().to_owned(), other.version().to_owned())) {
            continue;
        }
        let stated = match other.rust_version() {
            Some(stated) if !metadata.is_member(other) => Version::parse(stated)?,
            _ => Version(0, 0),
        };
        let asked = stated.max(edition(other));
        if asked > need.release {
            need.release = asked;
            need.asking.clear();
        }
        if asked == need.release {
            need.asking.push(other.name());
        }
    }
    Ok(need)
}

/// Returns names and versions of all packages that are compiled for a package, with every feature
/// and for every target; for a package that is not published, including its tests. Not taken from
/// the metadata, which also lists dependencies that no feature enables.
fn tree(metadata: &Metadata, package: Package<'_>) -> Result<BTreeSet<(String, String)>> {
    let edges = if metadata.is_published(package) {
        "--edges=normal,build"
    } else {
        "--edges=normal,build,dev"
    };
    let mut command = cargo(&["tree", "--locked", "--all-features", "--target=all"])?;
    command.args([edges, "--prefix=none", "--no-dedupe", "--format={p}"]);
    let tree = output(command.args(["--package", package.name()]))?;
    let mut packages = BTreeSet::new();
    for line in tree.lines() {
        if let Some((name, rest)) = line.split_once(" v") {
            let version = rest.split(' ').next().unwrap_or(rest);
            packages.insert((name.to_owned(), version.to_owned()));
        }
    }
    Ok(packages)
}

fn refuse_let_chains(package: Package<'_>) -> Result {
    let chains = syntax::let_chains(&package.directory().join("src"))?;
    if chains.is_empty() {
        return Ok(());
    }
    let places = chains.join(", ");
    Err(format!("chains of let need Rust {LET_CHAINS}: {places}").into())
}

/// Compiles packages with the release itself, if rustup has installed it.
fn compile(release: Version, packages: &[&str]) -> Result {
    let installed = Command::new("rustup").args(["toolchain", "list"]).output();
    let installed = installed.map(|out| String::from_utf8_lossy(&out.stdout).into_owned());
    let name = format!("{release}-");
    if !installed.is_ok_and(|list| list.lines().any(|line| line.starts_with(&name))) {
        println!(
            "not run: compiling {} with Rust {release} (rustup toolchain install {release})",
            packages.join(", ")
        );
        return Ok(());
    }
    let mut command = Command::new("rustup");
    // Without cargo's own variables, which name another toolchain.
    command
        .current_dir(root()?)
        .env_remove("CARGO")
        .env_remove("RUSTUP_TOOLCHAIN");
    let release = release.to_string();
    command.args([
        "run",
        &release,
        "cargo",
        "check",
        "--locked",
        "--all-features",
    ]);
    for package in packages {
        command.args(["--package", package]);
    }
    execute(&mut command)
}

/// The first release with `if let ... && ...`.
const LET_CHAINS: Version = Version(1, 88);

/// Returns the first release that supports a package's edition.
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
