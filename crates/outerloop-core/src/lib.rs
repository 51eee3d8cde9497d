//! Inner loops of meta-training: data, tasks, the unroller that runs them under an optimizer, and optimizers on a caller's
//! arrays.
//!
//! Layers, lower ones first: [`memory`]; [`data`]; [`task`]; [`unroll`], [`apply`], [`weights`]. Below them are the crates
//! `outerloop-kernels` ([`error`], [`rng`], [`params`], [`simd`], layers) and `outerloop-optim` ([`optim`], [`lopt`],
//! [`zoo`], [`mod@reference`]), which do not wait for candle when they are built. Nothing here knows of JavaScript.
pub mod apply;
#[cfg(feature = "candle-nn")]
pub mod candle;
pub mod data;
pub mod memory;
pub mod program;
pub mod task;
pub mod unroll;
pub mod weights;

use outerloop_kernels::layer;
pub use outerloop_kernels::{error, params, rng, simd};
pub use outerloop_optim::{lopt, optim, reference, zoo};
