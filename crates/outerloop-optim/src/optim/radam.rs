//! RAdam: Adam whose rate is rectified for the variance of the second moment, and without that moment while its variance
//! is too large: with ρ∞ = 2/(1−β₂) − 1 and ρ = ρ∞ − 2tβ₂ᵗ/(1−β₂ᵗ), from ρ = `threshold` on
//! p ← p − lr·r·m̂/(√v̂ + eps), r = √((ρ−4)(ρ−2)ρ∞/((ρ∞−4)(ρ∞−2)ρ)); before, p ← p − lr·m̂.
//!
//! # References
//! Liu et al. 2019, arXiv:1908.03265. As optax's `radam` (google-deepmind/optax 0.2.4) through the wrapper of
//! google/learned_optimization at 32186aa: βᵗ is rounded to f32 and 1 − βᵗ taken in f32, which at β₂ = 0.999 moves ρ by
//! hundredths. Difference: the rest of ρ and r is f64 here and f32 there.

use super::elementwise::{Elementwise, ElementwiseOptimizer, MAX_ARRAYS, Rule};
use super::mean_decay::MeanDecay;
use super::options::options;
use super::{Adam, Config, GradRange, Moments, Optimizer};
use crate::error::Result;
use crate::simd::Simd;
use std::sync::Arc;

options! {
    /// RAdam (Liu et al. 2019, arXiv:1908.03265): momentum at first, then Adam with a rectified rate.
    pub struct RAdam {
        /// Learning rate.
        lr: f64 => Range::Positive;
        /// Decay of the mean.
        beta1: f64 = 0.9 => Range::Fraction;
        /// Decay of the mean square.
        beta2: f64 = 0.999 => Range::Fraction;
        /// Added to the root.
        eps: f64 = 1e-8 => Range::NonNegative;
        /// Length of v's memory from which v is used.
        threshold: f64 = 5.0 => Range::AtLeast { min: 4.0 };
    }
}

impl RAdam {
    fn adam(&self) -> Adam {
        let &Self { lr, beta1, beta2, eps, .. } = self;
        Adam { lr, beta1, beta2, eps, eps_root: 0.0 }
    }

    /// r at update `t`, `None` while the second moment is not used.
    fn rectifier(&self, t: f64) -> Option<f64> {
        let decay = MeanDecay::new(self.beta2);
        let longest = decay.longest_memory();
        let [power, rest] = decay.powers(t);
        let rho = longest - 2.0 * t * power / rest;
        let ratio = (rho - 4.0) * (rho - 2.0) * longest / ((longest - 4.0) * (longest - 2.0) * rho);
        (rho >= self.threshold).then(|| ratio.sqrt())
    }
}

impl Config for RAdam {
    fn build(self) -> Result<Arc<dyn Optimizer>> {
        Ok(Arc::new(ElementwiseOptimizer::new(self)))
    }
}

impl Rule for RAdam {
    type Kernel = Rectified;
    const STATE: &'static [&'static str] = Adam::STATE;
    const GRAD_RANGE: GradRange = GradRange::SQUARES;

    fn first_state(&self) -> [f32; MAX_ARRAYS] {
        [0.0; MAX_ARRAYS]
    }

    fn at(&self, t: u64, num_steps: u64) -> (f32, Rectified) {
        let (rate, moments) = self.adam().at(t, num_steps);
        let rectifier = self.rectifier(t as f64);
        let lr = (self.lr * rectifier.unwrap_or(1.0)) as f32;
        (rate, Rectified { moments: Moments { lr, ..moments }, is_rectified: rectifier.is_some() })
    }
}

/// Adam's step, or the mean alone.
#[derive(Clone, Copy)]
pub(crate) struct Rectified {
    moments: Moments,
    is_rectified: bool,
}

impl Elementwise for Rectified {
    const ARRAYS: usize = Moments::ARRAYS;

    #[inline(always)]
    fn direction<S: Simd>(self, s: S, p: S::V, g: S::V, state: &mut [S::V; MAX_ARRAYS]) -> S::V {
        let step = self.moments.direction(s, p, g, state);
        let mean = s.mul(s.mul(state[0], s.splat(self.moments.correction[0])), s.splat(self.moments.lr));
        if self.is_rectified { step } else { mean }
    }
}
