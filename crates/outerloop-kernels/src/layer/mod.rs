//! Hand-written layers on flat arrays: the fast form of a task's loss and gradient.
//!
//! Activations have one row an example or one row a feature ([`Grid`]): rows are padded to a multiple of
//! [`crate::simd::LANES`], and the padding holds finite rubbish that the loss ignores.
#![allow(clippy::needless_range_loop, reason = "arrays of registers are walked by index; see crate::simd")]

mod activation;
mod arrange;
mod bias;
mod cross_entropy;
mod dense;
mod grid;
mod transpose;

pub use activation::{Activation, activate, scale_by};
pub use arrange::arrange;
pub use bias::sum_examples;
pub use cross_entropy::cross_entropy;
pub use dense::Dense;
pub use grid::{Grid, Order};
pub use transpose::transpose;
