//! Input of the rules of a flight.

use super::{
    memory::Memory,
    orders::{Draw, Rules},
};
use crate::Moment;

/// Input of the rules of a flight in one step.
pub(super) struct Cx<'a> {
    pub(super) rules: &'a Rules,
    pub(super) memory: &'a mut Memory,
    pub(super) now: Moment,
    pub(super) draw: Draw,
}
