//! Learned optimizers: update rules whose constants, theta, are meta-trained.
//!
//! Each is one file that fills a block of features per parameter and hands it to the shared per-parameter network
//! (`mlp::ParamMlp`). Theta's leaves have the names and shapes of google/learned_optimization, so that files are
//! interchangeable.
#![allow(clippy::needless_range_loop, reason = "arrays of registers are walked by index; see crate::simd")]

mod adafac_features;
mod adafac_mlp;
mod apply;
mod embedding;
mod factored;
mod hierarchical;
mod hierarchical_bound;
mod hierarchical_features;
mod hierarchical_tensor;
mod hierarchical_theta;
mod loss_normalizer;
mod lstm;
mod mlp;
mod runs;

pub use adafac_mlp::AdafacMlp;
pub use hierarchical::Hierarchical;

/// Elements of a tensor that are processed together: their features stay in the first-level cache. A multiple of three
/// registers of every instruction set.
const BLOCK: usize = 192;

/// Distance between rows of a block's arrays: room for the last run to write whole registers.
const STRIDE: usize = BLOCK + crate::simd::LANES;
