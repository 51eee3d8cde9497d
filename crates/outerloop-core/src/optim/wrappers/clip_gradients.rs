//! Gradients held to a bound before an inner optimizer sees them: element by element to ±max, or scaled down to a norm of
//! max, of every tensor by itself or of all together. What is not finite is not repaired.
//!
//! # References
//! Pascanu, Mikolov, Bengio 2012, arXiv:1211.5063, for the norm; that of all tensors as optax's `clip_by_global_norm` but
//! for rounding. The elementwise form is google/learned_optimization's (32186aa), whose bound is 3.

use super::wrapper::{Around, Wrap, Wrapper};
use crate::error::Result;
use crate::optim::checks::positive;
use crate::optim::elementwise::{Directions, Elementwise, MAX_ARRAYS};
use crate::optim::tensorwise::{Decayed, Squares, direct_all};
use crate::optim::{Config, Needs, Optimizer, OptimizerConfig, Overwrites, Step, Update};
use crate::params::{ParamLayout, TensorSpec};
use crate::simd::Simd;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// What is held to the bound.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ClipBy {
    /// Every element, to ±max.
    Element,
    /// The Euclidean norm of every tensor.
    TensorNorm,
    /// The Euclidean norm of all tensors together.
    GlobalNorm,
}

/// Options of clipped gradients.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClipGradients {
    /// What steps.
    pub inner: Box<OptimizerConfig>,
    /// What is held to the bound.
    pub by: ClipBy,
    /// The bound, above 0.
    pub max: f64,
}

impl Config for ClipGradients {
    fn checked(self) -> Result<Self> {
        positive("max", self.max)?;
        Ok(Self { inner: Box::new(self.inner.checked()?), ..self })
    }

    fn build(self) -> Result<Arc<dyn Optimizer>> {
        let inner = self.inner.build()?;
        Ok(Arc::new(Wrapper { wrap: Clip { by: self.by, max: self.max as f32 }, inner }))
    }
}

#[derive(Clone, Copy)]
struct Clip {
    by: ClipBy,
    max: f32,
}

impl Wrap for Clip {
    type Bound = Bound;

    fn arrays(&self, _: &ParamLayout) -> Vec<TensorSpec> {
        vec![]
    }

    fn needs(&self, inner: Needs) -> Needs {
        Needs { overwrites_grads: Overwrites::Always, ..inner }
    }

    fn bind(&self, params: &ParamLayout) -> Bound {
        Bound { clip: *self, params: params.clone(), squares: Squares::of(params) }
    }
}

struct Bound {
    clip: Clip,
    params: ParamLayout,
    squares: Squares,
}

impl Around for Bound {
    fn step(&mut self, mut step: Step<'_>, _: &mut [f32], inner: &mut dyn Update) {
        let Clip { by, max } = self.clip;
        let (workers, layout) = (step.workers, &self.params);
        let mut both = [&mut step.params, &mut step.grads];
        // A factor for a norm; NaN stays NaN.
        let factor = |norm: f64| if norm <= f64::from(max) { 1.0 } else { (f64::from(max) / norm) as f32 };
        match by {
            ClipBy::Element => {
                direct_all(workers, Clamp { max }, layout, both, &mut []);
            }
            ClipBy::TensorNorm => {
                for i in 0..self.params.num_tensors() {
                    let range = layout.padded_range(i);
                    let [p, g] = both.each_mut().map(|x| x.get(i, &range));
                    let factor = factor(self.squares.sum(workers, g).sqrt());
                    let kernel = Decayed { factor, decay: 0.0 };
                    if factor != 1.0 {
                        Directions::new(kernel, p, g, &mut [], 0).run(workers);
                    }
                }
            }
            ClipBy::GlobalNorm => {
                let factor = factor(self.squares.global_norm(workers, layout, both[1]));
                if factor != 1.0 {
                    let kernel = Decayed { factor, decay: 0.0 };
                    direct_all(workers, kernel, layout, both, &mut []);
                }
            }
        }
        inner.step(step);
    }
}

/// g held to ±max.
#[derive(Clone, Copy)]
struct Clamp {
    max: f32,
}

impl Elementwise for Clamp {
    const ARRAYS: usize = 0;

    #[inline(always)]
    fn direction<S: Simd>(self, s: S, _: S::V, g: S::V, _: &mut [S::V; MAX_ARRAYS]) -> S::V {
        s.clamp(g, -self.max, self.max)
    }
}
