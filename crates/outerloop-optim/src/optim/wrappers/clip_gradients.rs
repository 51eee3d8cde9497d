//! Gradients held to a bound before an inner optimizer sees them: element by element to ±max, or scaled down to a norm of
//! max, of every tensor by itself or of all together. What is not finite is not repaired.
//!
//! # References
//! Pascanu, Mikolov, Bengio 2012, arXiv:1211.5063, for the norm; that of all tensors as optax's `clip_by_global_norm` but
//! for rounding. The elementwise form is google/learned_optimization's (32186aa), whose bound is 3.

use super::wrapper::{Around, Wrap, Wrapper};
use crate::error::Result;
use crate::optim::elementwise::{Directions, Elementwise, MAX_ARRAYS};
use crate::optim::options::{Ranges, checked_elsewhere, options};
use crate::optim::squares::Squares;
use crate::optim::tensorwise::{Decayed, direct_all};
use crate::optim::{Config, GradRange, Needs, Optimizer, Overwrites, Step, Update};
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

options! {
    /// Gradients held to a bound before the inner optimizer sees them: elements to ±max, or the Euclidean norm of every tensor
    /// or of all together to max.
    pub struct ClipGradients<C> {
        /// What steps.
        inner: Box<C> => Range::Optimizer;
        /// What is held to the bound.
        by: ClipBy => Range::choice(&["element", "tensorNorm", "globalNorm"]);
        /// The bound.
        max: f64 => Range::Positive;
    }
}

checked_elsewhere!(ClipBy);

impl<C: Config> Config for ClipGradients<C> {
    fn checked(self) -> Result<Self> {
        self.check_ranges()?;
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
        // What is inside sees gradients of at most `max`.
        let is_small = self.max <= inner.grad_range.largest(usize::MAX >> 1);
        let grad_range = if is_small { GradRange::Any } else { inner.grad_range };
        Needs { overwrites_grads: Overwrites::Always, grad_range, ..inner }
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
        let factor = |norm: f64| if norm <= f64::from(max) { 1.0 } else { f64::from(max) / norm };
        match by {
            ClipBy::Element => {
                direct_all(workers, Clamp { max }, layout, both, &mut []);
            }
            ClipBy::TensorNorm => {
                for i in 0..self.params.num_tensors() {
                    let range = layout.padded_range(i);
                    let [p, g] = both.each_mut().map(|x| x.get(i, &range));
                    for factor in parts(factor(self.squares.sum(workers, g).sqrt())) {
                        let kernel = Decayed { factor, decay: 0.0 };
                        Directions::new(kernel, p, g, &mut [], 0).run(workers);
                    }
                }
            }
            ClipBy::GlobalNorm => {
                for factor in parts(factor(self.squares.global_norm(workers, layout, both[1]))) {
                    let kernel = Decayed { factor, decay: 0.0 };
                    direct_all(workers, kernel, layout, both.each_mut().map(|x| &mut **x), &mut []);
                }
            }
        }
        inner.step(step);
    }

    /// What was gathered was clipped before.
    fn flush(&mut self, step: Step<'_>, _: &mut [f32], inner: &mut dyn Update) -> bool {
        inner.flush(step)
    }
}

/// A factor of at most 1 as factors that f32 holds: none for 1, and more than one where it does not hold the product.
fn parts(factor: f64) -> impl Iterator<Item = f32> {
    /// 2⁻⁹⁶.
    const PART: f32 = f32::from_bits((127 - 96) << 23);
    let (mut rest, mut count) = (factor, 0);
    while rest > 0.0 && rest < f64::from(f32::MIN_POSITIVE) {
        rest /= f64::from(PART);
        count += 1;
    }
    let last = (rest as f32 != 1.0).then_some(rest as f32);
    std::iter::repeat_n(PART, count).chain(last)
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
