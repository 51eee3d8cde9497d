//! Inner loops of meta-training: tasks, optimizers, learned optimizers and the unroller that runs them.
//!
//! Layers, lower ones first: [`error`], [`memory`], [`rng`], [`params`], [`data`], [`simd`]; `layer`; `tensor`; [`task`], [`optim`],
//! [`lopt`]; [`zoo`]; [`unroll`], [`apply`], [`weights`]. Nothing here knows of JavaScript.
pub mod apply;
#[cfg(feature = "candle-nn")]
pub mod candle;
pub mod data;
pub mod error;
mod layer;
pub mod lopt;
pub mod memory;
pub mod optim;
pub mod params;
pub mod reference;
pub mod rng;
pub mod simd;
pub mod task;
mod tensor;
pub mod unroll;
pub mod weights;
pub mod zoo;
