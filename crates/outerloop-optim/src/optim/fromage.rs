//! Fromage: p ← (p − lr·ratio·g)/√(1 + lr²) with ratio = max(‖p‖, minNorm)/max(‖g‖, minNorm), tensor by tensor.
//!
//! # References
//! Bernstein, Vahdat, Yue, Liu 2020, arXiv:2002.03432. As optax's `fromage` (google-deepmind/optax, 0.2.4), which adds
//! −lr·k·ratio·g and (k − 1)·p with k = 1/√(1 + lr²) in f32: at lr 0.01 the rounding of k is 1e-3 of k − 1. No
//! differences but rounding.

use super::checks::{at_least_0, positive};
use super::tensorwise::{Decayed, Plain, TensorRule, TensorwiseOptimizer};
use super::{Config, Optimizer};
use crate::error::Result;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Options of Fromage.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Fromage {
    /// Learning rate, above 0: the length of a step relative to that of the parameters.
    pub lr: f64,
    /// Smallest norm of parameters and gradients, at least 0.
    #[serde(default = "millionth")]
    pub min_norm: f64,
}

fn millionth() -> f64 {
    1e-6
}

impl Config for Fromage {
    fn checked(self) -> Result<Self> {
        positive("lr", self.lr)?;
        at_least_0("minNorm", self.min_norm)?;
        Ok(self)
    }

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
