//! What everything else computes with: keyed randomness, parameter layouts, vector kernels and network layers.
//!
//! Layers, lower ones first: [`error`], [`rng`], [`params`]; [`simd`]; [`layer`].
pub mod error;
pub mod layer;
pub mod params;
pub mod rng;
pub mod simd;
