//! Optimizers, hand-designed and learned, as fused steps on flat arrays of parameters.
//!
//! Layers, lower ones first: `tensor`; [`optim`]; [`lopt`]; [`zoo`]. [`mod@reference`] is the slow f64 twin of each, for tests.
pub mod lopt;
pub mod optim;
pub mod reference;
mod tensor;
pub mod zoo;

use outerloop_kernels::{error, layer, params, rng, simd};
