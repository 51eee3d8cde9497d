//! AdaGrad: a ← a + g²; p ← p − lr·g/√(a + eps), with a = `initial_accumulator` at first, and no step where a is 0.
//!
//! # References
//! Duchi, Hazan, Singer 2011, JMLR 12, 2121–2159. As optax's `adagrad` (google-deepmind/optax 0.2.4) through the wrapper of
//! google/learned_optimization at 32186aa.

use super::checks::{at_least_0, positive};
use super::elementwise::{Elementwise, ElementwiseOptimizer, MAX_ARRAYS, Rule};
use super::{Config, GradRange, Optimizer};
use crate::error::Result;
use crate::simd::Simd;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Options of AdaGrad.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AdaGrad {
    /// Learning rate, above 0.
    pub lr: f64,
    /// The sum of squares at first, at least 0.
    #[serde(default = "tenth")]
    pub initial_accumulator: f64,
    /// Added inside the root, at least 0.
    #[serde(default = "eps7")]
    pub eps: f64,
}

fn tenth() -> f64 {
    0.1
}
fn eps7() -> f64 {
    1e-7
}

impl Config for AdaGrad {
    fn checked(self) -> Result<Self> {
        positive("lr", self.lr)?;
        at_least_0("initialAccumulator", self.initial_accumulator)?;
        at_least_0("eps", self.eps)?;
        Ok(self)
    }

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
