//! What the rules of a flight look at.

use super::{
    memory::Memory,
    orders::{Draw, Rules},
};
use crate::Moment;

/// What the rules of a flight look at in one step.
pub(super) struct Cx<'a> {
    pub(super) rules: &'a Rules,
    pub(super) memory: &'a mut Memory,
    pub(super) now: Moment,
    pub(super) draw: Draw,
}
