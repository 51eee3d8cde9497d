//! LAMB: r = m̂/(√(v̂ + eps_root) + eps) + wd·p with Adam's moments; p ← p − lr·(‖p‖/‖r‖)·r, tensor by tensor.
//!
//! # References
//! You et al. 2019, arXiv:1904.00962. As optax's `lamb` (google-deepmind/optax, 0.2.4): the ratio is 1 where either norm
//! is 0, and 1−β is rounded to f32 after the subtraction in f64. No differences but rounding.

use super::adam::{Adam, Moments};
use super::checks::{at_least_0, fraction, point_9, point_999, positive};
use super::elementwise::{Elementwise, MAX_ARRAYS, Rule};
use super::tensorwise::{Plain, TensorRule, TensorwiseOptimizer, trust_ratio};
use super::{Config, Optimizer};
use crate::error::Result;
use crate::simd::Simd;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Options of LAMB.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lamb {
    /// Learning rate, above 0: the length of a step relative to that of the parameters.
    pub lr: f64,
    /// Decay of the mean, in [0, 1).
    #[serde(default = "point_9")]
    pub beta1: f64,
    /// Decay of the mean square, in [0, 1).
    #[serde(default = "point_999")]
    pub beta2: f64,
    /// Added to the root, at least 0.
    #[serde(default = "millionth")]
    pub eps: f64,
    /// Added inside the root, at least 0.
    #[serde(default)]
    pub eps_root: f64,
    /// Parameters in the direction, at least 0.
    #[serde(default)]
    pub weight_decay: f64,
}

fn millionth() -> f64 {
    1e-6
}

impl Config for Lamb {
    fn checked(self) -> Result<Self> {
        positive("lr", self.lr)?;
        fraction("beta1", self.beta1)?;
        fraction("beta2", self.beta2)?;
        at_least_0("eps", self.eps)?;
        at_least_0("epsRoot", self.eps_root)?;
        at_least_0("weightDecay", self.weight_decay)?;
        Ok(self)
    }

    fn build(self) -> Result<Arc<dyn Optimizer>> {
        Ok(Arc::new(TensorwiseOptimizer::new(self)))
    }
}

impl TensorRule for Lamb {
    type Direction = DecayedMoments;
    type Last = Plain;
    const STATE: &'static [&'static str] = &["mu", "nu"];

    fn direction(&self, t: u64) -> DecayedMoments {
        let Self { beta1, beta2, eps, eps_root, weight_decay, .. } = *self;
        let (_, moments) = Adam { lr: 1.0, beta1, beta2, eps, eps_root }.at(t, 0);
        DecayedMoments { moments, decay: weight_decay as f32 }
    }

    fn last(&self, norms: [f32; 2]) -> (f32, Plain) {
        (self.lr as f32 * trust_ratio(norms, norms[0] / norms[1]), Plain)
    }
}

/// Adam's direction + decay·p.
#[derive(Clone, Copy)]
pub(crate) struct DecayedMoments {
    pub(crate) moments: Moments,
    pub(crate) decay: f32,
}

impl Elementwise for DecayedMoments {
    const ARRAYS: usize = Moments::ARRAYS;

    #[inline(always)]
    fn direction<S: Simd>(self, s: S, p: S::V, g: S::V, state: &mut [S::V; MAX_ARRAYS]) -> S::V {
        s.fma(s.splat(self.decay), p, self.moments.direction(s, p, g, state))
    }
}
