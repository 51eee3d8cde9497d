//! LARS: u = g + wd·p; u ← −lr·ratio·u with ratio = trust·‖p‖/(‖u‖ + eps), tensor by tensor; τ ← u + momentum·τ;
//! p ← p + τ.
//!
//! # References
//! You, Gitman, Ginsburg 2017, arXiv:1708.03888. As optax's `lars` (google-deepmind/optax, 0.2.4): where either norm is
//! 0 the ratio is 1 and not `trust`, so that such a tensor steps a thousand times further. No differences but rounding;
//! Nesterov's form is left out.

use super::elementwise::{Elementwise, MAX_ARRAYS};
use super::options::options;
use super::tensorwise::{Decayed, TensorRule, TensorwiseOptimizer, trust_ratio};
use super::{Config, Optimizer};
use crate::error::Result;
use crate::simd::Simd;
use std::sync::Arc;

options! {
    /// LARS (You et al. 2017, arXiv:1708.03888): u = g + weightDecay·p; τ ← momentum·τ − lr·trustCoefficient·‖p‖/(‖u‖
    /// + eps)·u for every tensor; p ← p + τ. A tensor whose parameters or gradients are all 0 steps by lr·u.
    pub struct Lars {
        /// Learning rate.
        lr: f64 => Range::Positive;
        /// Decay of the sum of steps.
        momentum: f64 = 0.9 => Range::Fraction;
        /// Factor of the parameters in the direction.
        weight_decay: f64 = 0.0 => Range::NonNegative;
        /// Length of a step relative to that of the parameters, in units of `lr`.
        trust_coefficient: f64 = 0.001 => Range::Positive;
        /// Added to the norm of the direction.
        eps: f64 = 0.0 => Range::NonNegative;
    }
}

impl Config for Lars {
    fn build(self) -> Result<Arc<dyn Optimizer>> {
        Ok(Arc::new(TensorwiseOptimizer::new(self)))
    }
}

impl TensorRule for Lars {
    type Direction = Decayed;
    type Last = ScaledTrace;
    const STATE: &'static [&'static str] = &["trace"];

    fn direction(&self, _: u64) -> Decayed {
        Decayed { factor: 1.0, decay: self.weight_decay as f32 }
    }

    fn last(&self, norms: [f32; 2]) -> (f32, ScaledTrace) {
        let ratio = self.trust_coefficient as f32 * norms[0] / (norms[1] + self.eps as f32);
        let factor = -(self.lr as f32) * trust_ratio(norms, ratio);
        (-1.0, ScaledTrace { factor, momentum: self.momentum as f32 })
    }
}

/// τ ← factor·u + momentum·τ.
#[derive(Clone, Copy)]
pub(crate) struct ScaledTrace {
    factor: f32,
    momentum: f32,
}

impl Elementwise for ScaledTrace {
    const ARRAYS: usize = 1;

    #[inline(always)]
    fn direction<S: Simd>(self, s: S, _: S::V, u: S::V, state: &mut [S::V; MAX_ARRAYS]) -> S::V {
        state[0] = s.fma(s.splat(self.momentum), state[0], s.mul(s.splat(self.factor), u));
        state[0]
    }
}
