//! AdaBelief: Adam whose second moment is that of g − m: v ← β₂v + (1−β₂)(g − m)² + eps_root, with the new m;
//! p ← p − lr·m̂/(√v̂ + eps).
//!
//! # References
//! Zhuang et al. 2020, arXiv:2010.07468. As optax's `adabelief` (google-deepmind/optax 0.2.4) through the wrapper of
//! google/learned_optimization at 32186aa: `eps_root` is added into the state at every step.

use super::elementwise::{Elementwise, ElementwiseOptimizer, MAX_ARRAYS, Rule};
use super::options::options;
use super::{Adam, Config, GradRange, Moments, Optimizer};
use crate::error::Result;
use crate::simd::Simd;
use std::sync::Arc;

options! {
    /// AdaBelief (Zhuang et al. 2020, arXiv:2010.07468): Adam whose v is the decaying mean of (g − m)², plus
    /// `epsRoot` a step.
    pub struct AdaBelief {
        /// Learning rate.
        lr: f64 => Range::Positive;
        /// Decay of the mean.
        beta1: f64 = 0.9 => Range::Fraction;
        /// Decay of the mean square.
        beta2: f64 = 0.999 => Range::Fraction;
        /// Added to the root.
        eps: f64 = 1e-16 => Range::NonNegative;
        /// Added to the mean square at every step.
        eps_root: f64 = 1e-16 => Range::NonNegative;
    }
}

impl AdaBelief {
    fn adam(&self) -> Adam {
        let &Self { lr, beta1, beta2, eps, eps_root } = self;
        Adam { lr, beta1, beta2, eps, eps_root }
    }
}

impl Config for AdaBelief {
    fn build(self) -> Result<Arc<dyn Optimizer>> {
        Ok(Arc::new(ElementwiseOptimizer::new(self)))
    }
}

impl Rule for AdaBelief {
    type Kernel = Surprise;
    const STATE: &'static [&'static str] = Adam::STATE;
    const GRAD_RANGE: GradRange = GradRange::SQUARES;

    fn first_state(&self) -> [f32; MAX_ARRAYS] {
        [0.0; MAX_ARRAYS]
    }

    fn at(&self, t: u64, num_steps: u64) -> (f32, Surprise) {
        let (rate, moments) = self.adam().at(t, num_steps);
        (rate, Surprise { eps_root: moments.eps_root, moments: Moments { eps_root: 0.0, ..moments } })
    }
}

/// Adam's step over the variance about the mean.
#[derive(Clone, Copy)]
pub(crate) struct Surprise {
    moments: Moments,
    eps_root: f32,
}

impl Elementwise for Surprise {
    const ARRAYS: usize = Moments::ARRAYS;

    #[inline(always)]
    fn direction<S: Simd>(self, s: S, _: S::V, g: S::V, state: &mut [S::V; MAX_ARRAYS]) -> S::V {
        let Self { moments, eps_root } = self;
        let [b1, b2] = [s.splat(moments.beta[0]), s.splat(moments.beta[1])];
        let [a1, a2] = [s.splat(moments.complement[0]), s.splat(moments.complement[1])];
        state[0] = s.fma(b1, state[0], s.mul(a1, g));
        let off = s.sub(g, state[0]);
        let square = s.fma(b2, state[1], s.mul(a2, s.mul(off, off)));
        state[1] = s.add(square, s.splat(eps_root));
        moments.step(s, state[0], state[1])
    }
}
