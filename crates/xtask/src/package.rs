use crate::{
    Result,
    cargo::{Metadata, cargo, run as execute},
};

/// Packages every published crate and builds it from its package, against the packages of the
/// others: what is missing in a manifest or a package shows here and not at the registry.
pub(crate) fn run(arguments: &[String]) -> Result {
    let mut command = cargo(&["package", "--locked"])?;
    for package in Metadata::load()?.published() {
        command.args(["--package", package.name()]);
    }
    execute(command.args(arguments))
}
