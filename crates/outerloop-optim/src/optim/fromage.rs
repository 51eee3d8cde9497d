//! Fromage: p ← (p − lr·ratio·g)/√(1 + lr²) with ratio = max(‖p‖, minNorm)/max(‖g‖, minNorm), tensor by tensor.
//!
//! # References
//! Bernstein, Vahdat, Yue, Liu 2020, arXiv:2002.03432. As optax's `fromage` (google-deepmind/optax, 0.2.4), which adds
//! −lr·k·ratio·g and (k − 1)·p with k = 1/√(1 + lr²) in f32: at lr 0.01 the rounding of k is 1e-3 of k − 1. No
//! differences but rounding.

use super::options::options;
use super::tensorwise::{Decayed, Plain, TensorRule, TensorwiseOptimizer};
use super::{Config, Optimizer};
use crate::error::Result;
use std::sync::Arc;

options! {
    /// Fromage (Bernstein et al. 2020, arXiv:2002.03432): p ← (p − lr·(‖p‖/‖g‖)·g)/√(1 + lr²) for every tensor, norms
    /// being at least minNorm.
    pub struct Fromage {
        /// Length of a step relative to that of the parameters.
        lr: f64 => Range::Positive;
        /// Smallest norm of parameters and gradients.
        min_norm: f64 = 1e-6 => Range::NonNegative;
    }
}

impl Config for Fromage {
    fn build(self) -> Result<Arc<dyn Optimizer>> {
        Ok(Arc::new(TensorwiseOptimizer::new(self)))
    }
}

impl TensorRule for Fromage {
    type Direction = Plain;
    type Last = Decayed;
    const STATE: &'static [&'static str] = &[];

    fn direction(&self, _: u64) -> Plain {
        Plain
    }

    fn last(&self, norms: [f32; 2]) -> (f32, Decayed) {
        let shrink = 1.0 / ((1.0 + self.lr * self.lr) as f32).sqrt();
        let at_least = self.min_norm as f32;
        // NaN stays NaN.
        let [p, g] = norms.map(|norm| if norm <= at_least { at_least } else { norm });
        let ratio = super::tensorwise::trust_ratio([p, g], p / g);
        (1.0, Decayed { factor: self.lr as f32 * shrink * ratio, decay: 1.0 - shrink })
    }
}
