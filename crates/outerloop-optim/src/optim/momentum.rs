//! Heavy-ball momentum: τ ← g + μτ; p ← p − lr·τ, or with Nesterov p ← p − lr·(g + μτ).

use super::elementwise::{Elementwise, ElementwiseOptimizer, MAX_ARRAYS, Rule};
use super::options::options;
use super::{Config, GradRange, Optimizer};
use crate::error::Result;
use crate::simd::Simd;
use std::sync::Arc;

options! {
    /// τ ← g + momentum·τ; p ← p − lr·τ (with `nesterov`: p ← p − lr·(g + momentum·τ)).
    pub struct Momentum {
        /// Learning rate.
        lr: f64 => Range::Positive;
        /// Decay of the sum of gradients.
        momentum: f64 = 0.9 => Range::Fraction;
        /// Look-ahead form.
        nesterov: bool = false => Range::Flag;
    }
}

impl Config for Momentum {
    fn build(self) -> Result<Arc<dyn Optimizer>> {
        Ok(Arc::new(ElementwiseOptimizer::new(self)))
    }
}

impl Rule for Momentum {
    type Kernel = Trace;
    const STATE: &'static [&'static str] = &["trace"];
    const GRAD_RANGE: GradRange = GradRange::Any;

    fn first_state(&self) -> [f32; MAX_ARRAYS] {
        [0.0; MAX_ARRAYS]
    }

    fn at(&self, _: u64, _: u64) -> (f32, Trace) {
        (self.lr as f32, Trace { momentum: self.momentum as f32, is_nesterov: self.nesterov })
    }
}

/// The decayed sum of gradients.
#[derive(Clone, Copy)]
pub(crate) struct Trace {
    momentum: f32,
    is_nesterov: bool,
}

impl Elementwise for Trace {
    const ARRAYS: usize = 1;

    #[inline(always)]
    fn direction<S: Simd>(self, s: S, _: S::V, g: S::V, state: &mut [S::V; MAX_ARRAYS]) -> S::V {
        let mu = s.splat(self.momentum);
        state[0] = s.fma(mu, state[0], g);
        if self.is_nesterov { s.fma(mu, state[0], g) } else { state[0] }
    }
}
