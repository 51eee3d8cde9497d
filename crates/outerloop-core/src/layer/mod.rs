//! Hand-written layers on flat arrays: the fast form of a task's loss and gradient.
//!
//! Activations are `[features, stride]`: one row a feature, one column an example, `stride` the batch size rounded up
//! to a multiple of [`crate::simd::LANES`]. Columns past the batch hold finite rubbish that the loss ignores.
#![allow(clippy::needless_range_loop, reason = "arrays of registers are walked by index; see crate::simd")]

mod activation;
mod bias;
mod cross_entropy;
mod dense;
mod transpose;

pub use activation::{Activation, activate, scale_by};
pub use bias::sum_columns;
pub use cross_entropy::cross_entropy;
pub use dense::Dense;
pub use transpose::transpose;
