//! AdamW: Adam whose weights decay apart from its moments: p ← p − lr·(m̂/(√(v̂ + eps_root) + eps) + wd·p).
//!
//! # References
//! Loshchilov, Hutter 2017, arXiv:1711.05101. As optax's `adamw` (google-deepmind/optax 0.2.4) through the wrapper of
//! google/learned_optimization at 32186aa: all tensors decay, by lr·wd.

use super::checks::{at_least_0, eps8, point_9, point_999};
use super::elementwise::{Elementwise, ElementwiseOptimizer, MAX_ARRAYS, Rule};
use super::{Adam, Config, GradRange, Moments, Optimizer};
use crate::error::Result;
use crate::simd::Simd;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Options of AdamW.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AdamW {
    /// Learning rate, above 0.
    pub lr: f64,
    /// Decay of the mean, in [0, 1).
    #[serde(default = "point_9")]
    pub beta1: f64,
    /// Decay of the mean square, in [0, 1).
    #[serde(default = "point_999")]
    pub beta2: f64,
    /// Added to the root, at least 0.
    #[serde(default = "eps8")]
    pub eps: f64,
    /// Added inside the root, at least 0.
    #[serde(default)]
    pub eps_root: f64,
    /// Share of the rate by which weights shrink, at least 0.
    #[serde(default = "decay")]
    pub weight_decay: f64,
}

fn decay() -> f64 {
    1e-4
}

impl AdamW {
    fn adam(&self) -> Adam {
        let &Self { lr, beta1, beta2, eps, eps_root, .. } = self;
        Adam { lr, beta1, beta2, eps, eps_root }
    }
}

impl Config for AdamW {
    fn checked(self) -> Result<Self> {
        self.adam().checked()?;
        at_least_0("weightDecay", self.weight_decay)?;
        Ok(self)
    }

    fn build(self) -> Result<Arc<dyn Optimizer>> {
        Ok(Arc::new(ElementwiseOptimizer::new(self)))
    }
}

impl Rule for AdamW {
    type Kernel = Decayed;
    const STATE: &'static [&'static str] = Adam::STATE;
    const GRAD_RANGE: GradRange = GradRange::SQUARES;

    fn first_state(&self) -> [f32; MAX_ARRAYS] {
        [0.0; MAX_ARRAYS]
    }

    fn at(&self, t: u64, num_steps: u64) -> (f32, Decayed) {
        let (rate, moments) = self.adam().at(t, num_steps);
        (rate, Decayed { moments, decay: moments.lr * self.weight_decay as f32 })
    }
}

/// Adam's step and the decay.
#[derive(Clone, Copy)]
pub(crate) struct Decayed {
    moments: Moments,
    /// lr·wd.
    decay: f32,
}

impl Elementwise for Decayed {
    const ARRAYS: usize = Moments::ARRAYS;

    #[inline(always)]
    fn direction<S: Simd>(self, s: S, p: S::V, g: S::V, state: &mut [S::V; MAX_ARRAYS]) -> S::V {
        s.fma(s.splat(self.decay), p, self.moments.direction(s, p, g, state))
    }
}
