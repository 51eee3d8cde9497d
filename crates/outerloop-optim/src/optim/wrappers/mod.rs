//! Optimizers that contain others: they change what goes into an inner optimizer, or what comes out.
//!
//! A wrapper's theta is that of what is inside, so that theta files of the inner optimizer fit; of two, their leaves one
//! after the other. Its state is its own arrays, then those of what is inside under a prefix. Both share the count of
//! iterations, unless said otherwise.

mod accumulate;
mod clip_gradients;
mod graft;
mod pair;
mod scaled;
mod schedule;
mod sum;
mod weight_decay;
mod wrapper;

pub use accumulate::Accumulate;
pub use accumulate::SUM;
pub use clip_gradients::{ClipBy, ClipGradients};
pub use graft::Graft;
pub use scaled::{Scaled, TensorFactor};
pub use schedule::{Breakpoint, Schedule, StepFactor};
pub use sum::Sum;
pub use weight_decay::{DecayKind, WeightDecay};
