//! Gradient descent: p ← p − lr·g.

use super::elementwise::{Elementwise, ElementwiseOptimizer, MAX_ARRAYS, Rule};
use super::options::options;
use super::{Config, GradRange, Optimizer};
use crate::error::Result;
use crate::simd::Simd;
use std::sync::Arc;

options! {
    /// p ← p − lr·g.
    pub struct Sgd {
        /// Learning rate.
        lr: f64 => Range::Positive;
    }
}

impl Config for Sgd {
    fn build(self) -> Result<Arc<dyn Optimizer>> {
        Ok(Arc::new(ElementwiseOptimizer::new(self)))
    }
}

impl Rule for Sgd {
    type Kernel = Gradient;
    const STATE: &'static [&'static str] = &[];
    const GRAD_RANGE: GradRange = GradRange::Any;

    fn first_state(&self) -> [f32; MAX_ARRAYS] {
        [0.0; MAX_ARRAYS]
    }

    fn at(&self, _: u64, _: u64) -> (f32, Gradient) {
        (self.lr as f32, Gradient)
    }
}

/// The gradient as it is.
#[derive(Clone, Copy)]
pub(crate) struct Gradient;

impl Elementwise for Gradient {
    const ARRAYS: usize = 0;

    #[inline(always)]
    fn direction<S: Simd>(self, _: S, _: S::V, g: S::V, _: &mut [S::V; MAX_ARRAYS]) -> S::V {
        g
    }
}
