//! AdamW: Adam whose weights decay apart from its moments: p ← p − lr·(m̂/(√(v̂ + eps_root) + eps) + wd·p).
//!
//! # References
//! Loshchilov, Hutter 2017, arXiv:1711.05101. As optax's `adamw` (google-deepmind/optax 0.2.4) through the wrapper of
//! google/learned_optimization at 32186aa: all tensors decay, by lr·wd.

use super::elementwise::{Elementwise, ElementwiseOptimizer, MAX_ARRAYS, Rule};
use super::options::options;
use super::{Adam, Config, GradRange, Moments, Optimizer};
use crate::error::Result;
use crate::simd::Simd;
use std::sync::Arc;

options! {
    /// AdamW (Loshchilov, Hutter 2017, arXiv:1711.05101): p ← p − lr·(m̂/(√(v̂ + epsRoot) + eps) + weightDecay·p).
    pub struct AdamW {
        /// Learning rate.
        lr: f64 => Range::Positive;
        /// Decay of the mean.
        beta1: f64 = 0.9 => Range::Fraction;
        /// Decay of the mean square.
        beta2: f64 = 0.999 => Range::Fraction;
        /// Added to the root.
        eps: f64 = 1e-8 => Range::NonNegative;
        /// Added inside the root.
        eps_root: f64 = 0.0 => Range::NonNegative;
        /// Share of the rate by which weights shrink.
        weight_decay: f64 = 1e-4 => Range::NonNegative;
    }
}

impl AdamW {
    fn adam(&self) -> Adam {
        let &Self { lr, beta1, beta2, eps, eps_root, .. } = self;
        Adam { lr, beta1, beta2, eps, eps_root }
    }
}

impl Config for AdamW {
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
