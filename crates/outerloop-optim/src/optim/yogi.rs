//! Yogi: Adam whose second moment moves by steps that do not depend on its size: v ← v − (1−β₂)·sign(v − g²)·g².
//!
//! # References
//! Zaheer, Reddi, Sachan, Kale, Kumar 2018, "Adaptive Methods for Nonconvex Optimization", NeurIPS. As optax's `yogi`
//! (google-deepmind/optax 0.2.4) through the wrapper of google/learned_optimization at 32186aa: both moments start at
//! `initial_accumulator`, and both are bias corrected as if they had started at 0.

use super::elementwise::{Elementwise, ElementwiseOptimizer, MAX_ARRAYS, Rule, sign};
use super::options::options;
use super::{Adam, Config, GradRange, Moments, Optimizer};
use crate::error::Result;
use crate::simd::Simd;
use std::sync::Arc;

options! {
    /// Yogi (Zaheer et al. 2018): Adam with v ← v − (1−β₂)·sign(v − g²)·g².
    pub struct Yogi {
        /// Learning rate.
        lr: f64 => Range::Positive;
        /// Decay of the mean.
        beta1: f64 = 0.9 => Range::Fraction;
        /// One minus the speed of the mean square.
        beta2: f64 = 0.999 => Range::Fraction;
        /// Added to the root.
        eps: f64 = 1e-3 => Range::NonNegative;
        /// m and v at first.
        initial_accumulator: f64 = 1e-6 => Range::NonNegative;
    }
}

impl Yogi {
    fn adam(&self) -> Adam {
        let &Self { lr, beta1, beta2, eps, .. } = self;
        Adam { lr, beta1, beta2, eps, eps_root: 0.0 }
    }
}

impl Config for Yogi {
    fn build(self) -> Result<Arc<dyn Optimizer>> {
        Ok(Arc::new(ElementwiseOptimizer::new(self)))
    }
}

impl Rule for Yogi {
    type Kernel = Additive;
    const STATE: &'static [&'static str] = Adam::STATE;
    const GRAD_RANGE: GradRange = GradRange::SQUARES;

    fn first_state(&self) -> [f32; MAX_ARRAYS] {
        [self.initial_accumulator as f32; MAX_ARRAYS]
    }

    fn at(&self, t: u64, num_steps: u64) -> (f32, Additive) {
        let (rate, moments) = self.adam().at(t, num_steps);
        (rate, Additive(moments))
    }
}

/// Adam's step on a second moment of its own.
#[derive(Clone, Copy)]
pub(crate) struct Additive(Moments);

impl Elementwise for Additive {
    const ARRAYS: usize = Moments::ARRAYS;

    #[inline(always)]
    fn direction<S: Simd>(self, s: S, _: S::V, g: S::V, state: &mut [S::V; MAX_ARRAYS]) -> S::V {
        let Self(moments) = self;
        let [b1, a1, a2] =
            [s.splat(moments.beta[0]), s.splat(moments.complement[0]), s.splat(moments.complement[1])];
        state[0] = s.fma(b1, state[0], s.mul(a1, g));
        // v − g² with one rounding, so that its sign is exact.
        let change = s.mul(sign(s, s.fnma(g, g, state[1])), s.mul(g, g));
        state[1] = s.fnma(a2, change, state[1]);
        moments.step(s, state[0], state[1])
    }
}
