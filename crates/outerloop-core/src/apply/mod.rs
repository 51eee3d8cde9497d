//! Optimizers applied to a caller's own tensors: no task, no graph, in place.
//!
//! [`Applied`] joins an optimizer with tensor shapes and keeps its state. A step reads and writes the caller's arrays where
//! they are. Large tensors are shared among threads in blocks; results do not depend on how many there are.

#![allow(clippy::needless_range_loop, reason = "arrays of registers are walked by index; see crate::simd")]

mod applied;
mod finite;
mod flush;
mod padding;
mod pool;
mod subset;

pub use applied::{Applied, ApplyOptions, Report};
pub use finite::NonFinite;
