//! Inner loops of meta-training.
pub mod error;
pub mod params;
pub mod rng;
