//! Passes over parameter tensors that hand-designed and learned optimizers share: a tensor as runs along its last axis, sums of
//! squares by row and column, clipping.
#![allow(clippy::needless_range_loop, reason = "arrays of registers are walked by index; see crate::simd")]

mod clip;
mod edge;
mod runs;
mod side_sums;

pub(crate) use clip::clip;
pub(crate) use edge::{load, store};
pub(crate) use runs::{BLOCK, Factoring, PLACED, Run, SHARE, SHARED, blocks_of, places_of, runs_of};
pub(crate) use side_sums::sum_squares;
