//! RMSProp: v ← d·v + (1−d)g², u = lr·g/√(v + eps); p ← p − u. With momentum: τ ← μτ − u, p ← p + τ, or with Nesterov
//! p ← p + (μτ − u).
//!
//! # References
//! Tieleman, Hinton 2012, "Lecture 6.5: RMSProp", COURSERA. As optax's `rmsprop` (google-deepmind/optax 0.2.4) through the
//! wrapper of google/learned_optimization at 32186aa: eps is inside the root, the rate inside the trace. Difference:
//! without momentum no trace is kept, where the wrapper keeps one that nothing reads.

use super::elementwise::{Elementwise, ElementwiseOptimizer, MAX_ARRAYS, Rule};
use super::mean_decay::MeanDecay;
use super::options::options;
use super::{Config, GradRange, Optimizer};
use crate::error::Result;
use crate::simd::Simd;
use std::sync::Arc;

options! {
    /// RMSProp: u = lr·g/√(v + eps); p ← p − u. With `momentum`: τ ← momentum·τ − u; p ← p + τ (with `nesterov`: p ←
    /// p + momentum·τ − u).
    pub struct RmsProp {
        /// Learning rate.
        lr: f64 => Range::Positive;
        /// Decay of the mean square.
        decay: f64 = 0.9 => Range::Fraction;
        /// Added inside the root.
        eps: f64 = 1e-8 => Range::NonNegative;
        /// Decay of the sum of steps; at 0 there is none.
        momentum: f64 = 0.0 => Range::Fraction;
        /// Look-ahead form of the momentum.
        nesterov: bool = false => Range::Flag;
    }
}

impl Config for RmsProp {
    fn build(self) -> Result<Arc<dyn Optimizer>> {
        Ok(if self.momentum == 0.0 {
            Arc::new(ElementwiseOptimizer::new(self))
        } else {
            Arc::new(ElementwiseOptimizer::new(WithMomentum(self)))
        })
    }
}

impl Rule for RmsProp {
    type Kernel = Normalized;
    const STATE: &'static [&'static str] = &["nu"];
    const GRAD_RANGE: GradRange = GradRange::SQUARES;

    fn first_state(&self) -> [f32; MAX_ARRAYS] {
        [0.0; MAX_ARRAYS]
    }

    fn at(&self, _: u64, _: u64) -> (f32, Normalized) {
        let decay = MeanDecay::new(self.decay);
        let kernel = Normalized {
            decay: decay.beta(),
            complement: decay.complement(),
            lr: self.lr as f32,
            eps: self.eps as f32,
        };
        (1.0, kernel)
    }
}

/// lr·g/√(v + eps).
#[derive(Clone, Copy)]
pub(crate) struct Normalized {
    decay: f32,
    /// 1 − decay.
    complement: f32,
    lr: f32,
    eps: f32,
}

impl Elementwise for Normalized {
    const ARRAYS: usize = 1;

    #[inline(always)]
    fn direction<S: Simd>(self, s: S, _: S::V, g: S::V, state: &mut [S::V; MAX_ARRAYS]) -> S::V {
        let square = s.mul(s.splat(self.complement), s.mul(g, g));
        state[0] = s.fma(s.splat(self.decay), state[0], square);
        let root = s.sqrt(s.add(state[0], s.splat(self.eps)));
        let step = s.div(s.mul(s.splat(self.lr), g), root);
        // 0/0 where eps is 0 and nothing ever moved (gaps of the layout among them): no step.
        s.select(s.gt(root, s.splat(0.0)), step, s.sub(root, root))
    }
}

/// RMSProp with a trace of its steps.
#[derive(Clone)]
struct WithMomentum(RmsProp);

impl Rule for WithMomentum {
    type Kernel = Traced;
    const STATE: &'static [&'static str] = &["nu", "trace"];
    const GRAD_RANGE: GradRange = GradRange::SQUARES;

    fn first_state(&self) -> [f32; MAX_ARRAYS] {
        [0.0; MAX_ARRAYS]
    }

    fn at(&self, t: u64, num_steps: u64) -> (f32, Traced) {
        let (rate, step) = self.0.at(t, num_steps);
        (rate, Traced { step, momentum: self.0.momentum as f32, is_nesterov: self.0.nesterov })
    }
}

/// The decayed sum of steps.
#[derive(Clone, Copy)]
struct Traced {
    step: Normalized,
    momentum: f32,
    is_nesterov: bool,
}

impl Elementwise for Traced {
    const ARRAYS: usize = 2;

    #[inline(always)]
    fn direction<S: Simd>(self, s: S, p: S::V, g: S::V, state: &mut [S::V; MAX_ARRAYS]) -> S::V {
        let step = self.step.direction(s, p, g, state);
        let mu = s.splat(self.momentum);
        // The published trace is what is added to the parameter: minus what it loses.
        let lost = s.fnma(mu, state[1], step);
        state[1] = s.sub(s.splat(0.0), lost);
        if self.is_nesterov { s.fma(mu, lost, step) } else { lost }
    }
}
