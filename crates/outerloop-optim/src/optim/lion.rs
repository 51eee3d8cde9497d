//! Lion: p ← p − lr·(sign(β₁m + (1−β₁)g) + wd·p); then m ← β₂m + (1−β₂)g.
//!
//! # References
//! Chen et al. 2023, arXiv:2302.06675. As optax's `lion` (google-deepmind/optax 0.2.4).

use super::elementwise::{Elementwise, ElementwiseOptimizer, MAX_ARRAYS, Rule, sign};
use super::mean_decay::MeanDecay;
use super::options::options;
use super::{Config, GradRange, Optimizer};
use crate::error::Result;
use crate::simd::Simd;
use std::sync::Arc;

options! {
    /// Lion (Chen et al. 2023, arXiv:2302.06675): p ← p − lr·(sign(β₁m + (1−β₁)g) + weightDecay·p); m decays by
    /// `beta2`.
    pub struct Lion {
        /// Learning rate.
        lr: f64 => Range::Positive;
        /// Share of the mean in what gives the sign.
        beta1: f64 = 0.9 => Range::Fraction;
        /// Decay of the mean.
        beta2: f64 = 0.99 => Range::Fraction;
        /// Share of the rate by which weights shrink.
        weight_decay: f64 = 1e-3 => Range::NonNegative;
    }
}

impl Config for Lion {
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
