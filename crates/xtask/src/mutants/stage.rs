/// Tests of one build.
pub(super) struct Stage {
    pub(super) name: &'static str,
    /// The package of the tests.
    pub(super) package: &'static str,
    /// Arguments of `cargo test`, which also limit what is built.
    pub(super) targets: &'static [&'static str],
    /// Arguments of the test programs.
    pub(super) filter: &'static [&'static str],
}
