//! Lion: p ← p − lr·(sign(β₁m + (1−β₁)g) + wd·p); then m ← β₂m + (1−β₂)g.
//!
//! # References
//! Chen et al. 2023, arXiv:2302.06675. As optax's `lion` (google-deepmind/optax 0.2.4).

use super::checks::{at_least_0, fraction, point_9, point_99, positive, thousandth};
use super::elementwise::{Elementwise, ElementwiseOptimizer, MAX_ARRAYS, Rule, sign};
use super::mean_decay::MeanDecay;
use super::{Config, GradRange, Optimizer};
use crate::error::Result;
use crate::simd::Simd;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Options of Lion.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Lion {
    /// Learning rate, above 0.
    pub lr: f64,
    /// Share of the mean in what gives the sign, in [0, 1).
    #[serde(default = "point_9")]
    pub beta1: f64,
    /// Decay of the mean, in [0, 1).
    #[serde(default = "point_99")]
    pub beta2: f64,
    /// Share of the rate by which weights shrink, at least 0.
    #[serde(default = "thousandth")]
    pub weight_decay: f64,
}

impl Config for Lion {
    fn checked(self) -> Result<Self> {
        positive("lr", self.lr)?;
        fraction("beta1", self.beta1)?;
        fraction("beta2", self.beta2)?;
        at_least_0("weightDecay", self.weight_decay)?;
        Ok(self)
    }

    fn build(self) -> Result<Arc<dyn Optimizer>> {
        Ok(Arc::new(ElementwiseOptimizer::new(self)))
    }
}

impl Rule for Lion {
    type Kernel = Signs;
    const STATE: &'static [&'static str] = &["mu"];
    const GRAD_RANGE: GradRange = GradRange::Any;

    fn first_state(&self) -> [f32; MAX_ARRAYS] {
        [0.0; MAX_ARRAYS]
    }

    fn at(&self, _: u64, _: u64) -> (f32, Signs) {
        let decays = [self.beta1, self.beta2].map(MeanDecay::new);
        let kernel = Signs {
            beta: decays.map(MeanDecay::beta),
            complement: decays.map(MeanDecay::complement),
            weight_decay: self.weight_decay as f32,
        };
        (self.lr as f32, kernel)
    }
}

/// The sign of a mean that looks ahead, and the decay.
#[derive(Clone, Copy)]
pub(crate) struct Signs {
    beta: [f32; 2],
    /// 1 − β.
    complement: [f32; 2],
    weight_decay: f32,
}

impl Elementwise for Signs {
    const ARRAYS: usize = 1;

    #[inline(always)]
    fn direction<S: Simd>(self, s: S, p: S::V, g: S::V, state: &mut [S::V; MAX_ARRAYS]) -> S::V {
        let [b1, b2] = [s.splat(self.beta[0]), s.splat(self.beta[1])];
        let [a1, a2] = [s.splat(self.complement[0]), s.splat(self.complement[1])];
        let ahead = s.fma(b1, state[0], s.mul(a1, g));
        state[0] = s.fma(b2, state[0], s.mul(a2, g));
        s.fma(s.splat(self.weight_decay), p, sign(s, ahead))
    }
}
