//! AdaGrad: a ← a + g²; p ← p − lr·g/√(a + eps), with a = `initial_accumulator` at first, and no step where a is 0.
//!
//! # References
//! Duchi, Hazan, Singer 2011, JMLR 12, 2121–2159. As optax's `adagrad` (google-deepmind/optax 0.2.4) through the wrapper of
//! google/learned_optimization at 32186aa.

use super::elementwise::{Elementwise, ElementwiseOptimizer, MAX_ARRAYS, Rule};
use super::options::options;
use super::{Config, GradRange, Optimizer};
use crate::error::Result;
use crate::simd::Simd;
use std::sync::Arc;

options! {
    /// AdaGrad (Duchi et al. 2011): a ← a + g²; p ← p − lr·g/√(a + eps).
    pub struct AdaGrad {
        /// Learning rate.
        lr: f64 => Range::Positive;
        /// a at first.
        initial_accumulator: f64 = 0.1 => Range::NonNegative;
        /// Added inside the root.
        eps: f64 = 1e-7 => Range::NonNegative;
    }
}

impl Config for AdaGrad {
    fn build(self) -> Result<Arc<dyn Optimizer>> {
        Ok(Arc::new(ElementwiseOptimizer::new(self)))
    }
}

impl Rule for AdaGrad {
    type Kernel = Summed;
    const STATE: &'static [&'static str] = &["sum_of_squares"];
    const GRAD_RANGE: GradRange = GradRange::SQUARES;

    fn first_state(&self) -> [f32; MAX_ARRAYS] {
        [self.initial_accumulator as f32; MAX_ARRAYS]
    }

    fn at(&self, _: u64, _: u64) -> (f32, Summed) {
        (self.lr as f32, Summed { eps: self.eps as f32 })
    }
}

/// g/√(a + eps).
#[derive(Clone, Copy)]
pub(crate) struct Summed {
    eps: f32,
}

impl Elementwise for Summed {
    const ARRAYS: usize = 1;

    #[inline(always)]
    fn direction<S: Simd>(self, s: S, _: S::V, g: S::V, state: &mut [S::V; MAX_ARRAYS]) -> S::V {
        // Held to what f32 has: an infinite sum would end all steps.
        let sum = s.min(s.splat(f32::MAX), s.fma(g, g, state[0]));
        state[0] = sum;
        let step = s.div(g, s.sqrt(s.add(sum, s.splat(self.eps))));
        s.select(s.gt(sum, s.splat(0.0)), step, s.sub(sum, sum))
    }
}
