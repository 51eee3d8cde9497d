//! Adam: m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², p ← p − lr·m̂/(√(v̂ + eps_root) + eps), bias corrected.
//!
//! # References
//! Kingma, Ba 2014, arXiv:1412.6980. As optax's `adam`: 1−β is rounded to f32 after the subtraction in f64,
//! βᵗ before the subtraction, which at t = 2 moves a second moment by 1.5e-5.

use super::elementwise::{Elementwise, ElementwiseOptimizer, MAX_ARRAYS, Rule};
use super::mean_decay::MeanDecay;
use super::options::options;
use super::{Config, GradRange, Optimizer};
use crate::error::Result;
use crate::simd::Simd;
use std::sync::Arc;

options! {
    /// Adam with bias correction; the step is lr·m̂ / (√(v̂ + epsRoot) + eps).
    pub struct Adam {
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
    }
}

impl Config for Adam {
    fn build(self) -> Result<Arc<dyn Optimizer>> {
        Ok(Arc::new(ElementwiseOptimizer::new(self)))
    }
}

impl Rule for Adam {
    type Kernel = Moments;
    const STATE: &'static [&'static str] = &["mu", "nu"];
    const GRAD_RANGE: GradRange = GradRange::SQUARES;

    fn first_state(&self) -> [f32; MAX_ARRAYS] {
        [0.0; MAX_ARRAYS]
    }

    fn at(&self, t: u64, _: u64) -> (f32, Moments) {
        let decays = [self.beta1, self.beta2].map(MeanDecay::new);
        let kernel = Moments {
            beta: decays.map(MeanDecay::beta),
            complement: decays.map(MeanDecay::complement),
            correction: decays.map(|decay| decay.correction(t as f64)),
            lr: self.lr as f32,
            eps: self.eps as f32,
            eps_root: self.eps_root as f32,
        };
        (1.0, kernel)
    }
}

/// lr·m̂/(√(v̂ + eps_root) + eps).
#[derive(Clone, Copy)]
pub(crate) struct Moments {
    pub(crate) beta: [f32; 2],
    /// 1 − β.
    pub(crate) complement: [f32; 2],
    /// 1/(1 − βᵗ).
    pub(crate) correction: [f32; 2],
    pub(crate) lr: f32,
    pub(crate) eps: f32,
    pub(crate) eps_root: f32,
}

impl Elementwise for Moments {
    const ARRAYS: usize = 2;

    #[inline(always)]
    fn direction<S: Simd>(self, s: S, _: S::V, g: S::V, state: &mut [S::V; MAX_ARRAYS]) -> S::V {
        let [b1, b2] = [s.splat(self.beta[0]), s.splat(self.beta[1])];
        let [a1, a2] = [s.splat(self.complement[0]), s.splat(self.complement[1])];
        state[0] = s.fma(b1, state[0], s.mul(a1, g));
        state[1] = s.fma(b2, state[1], s.mul(a2, s.mul(g, g)));
        self.step(s, state[0], state[1])
    }
}

impl Moments {
    /// The step of moments that are up to date.
    #[inline(always)]
    pub(crate) fn step<S: Simd>(self, s: S, mean: S::V, square: S::V) -> S::V {
        let [c1, c2] = [s.splat(self.correction[0]), s.splat(self.correction[1])];
        let root = s.add(s.sqrt(s.fma(square, c2, s.splat(self.eps_root))), s.splat(self.eps));
        let step = s.div(s.mul(s.mul(mean, c1), s.splat(self.lr)), root);
        // 0/0 where eps is 0 and nothing ever moved (gaps of the layout among them): no step.
        s.select(s.gt(root, s.splat(0.0)), step, s.sub(root, root))
    }
}
