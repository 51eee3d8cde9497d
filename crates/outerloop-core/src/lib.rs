//! Inner loops of meta-training.
pub mod data;
pub mod error;
pub mod params;
pub mod reference;
pub mod rng;
pub mod simd;
