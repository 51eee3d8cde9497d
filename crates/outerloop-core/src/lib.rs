//! Inner loops of meta-training.
pub mod data;
pub mod error;
pub mod params;
pub mod rng;
pub mod simd;
