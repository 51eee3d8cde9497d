//! Hand-designed rules that look at whole tensors: directions first, then their norms, then the step.

use super::elementwise::{Directions, Elementwise, MAX_ARRAYS, Sweep};
use super::squares::Squares;
use super::{
    Cost, GradRange, Needs, Optimizer, Overwrites, StateMut, Step, Tensors, Theta, ThetaSpec, Update,
};
use crate::error::Result;
use crate::params::{ParamLayout, TensorSpec};
use crate::simd::{Simd, Workers};

/// g ← direction for all tensors; the state's arrays are padded arrays over all of them.
pub(crate) fn direct_all<K: Elementwise>(
    workers: Workers<'_>,
    kernel: K,
    layout: &ParamLayout,
    [params, grads]: [&mut Tensors<'_>; 2],
    state: &mut [f32],
) {
    let stride = layout.padded_len();
    if let (Some(p), Some(g)) = (params.as_joint(), grads.as_joint()) {
        return Directions::new(kernel, p, g, state, stride).run(workers);
    }
    for i in 0..layout.num_tensors() {
        let range = layout.padded_range(i);
        let state = if K::ARRAYS == 0 { &mut [] } else { &mut state[range.start..] };
        Directions::new(kernel, params.get(i, &range), grads.get(i, &range), state, stride).run(workers);
    }
}

/// A hand-designed optimizer that steps along a direction by a length that depends on the norms of a tensor and of its
/// direction.
pub(crate) trait TensorRule: Clone + Send + Sync + 'static {
    /// What makes the direction of gradients, before the norms are taken.
    type Direction: Elementwise;
    /// What makes the step of the direction, once they are known.
    type Last: Elementwise;
    /// Names of the arrays of state: those of `Direction`, then those of `Last`.
    const STATE: &'static [&'static str];

    /// The direction of update `t`, counted from 1.
    fn direction(&self, t: u64) -> Self::Direction;

    /// Rate and rule of the step of a tensor, from the norms of its parameters and of its direction.
    fn last(&self, norms: [f32; 2]) -> (f32, Self::Last);
}

/// [`Optimizer`] of a [`TensorRule`].
pub(crate) struct TensorwiseOptimizer<R> {
    rule: R,
    theta: ThetaSpec,
}

impl<R: TensorRule> TensorwiseOptimizer<R> {
    pub(crate) fn new(rule: R) -> Self {
        Self { rule, theta: ThetaSpec::default() }
    }
}

impl<R: TensorRule> Optimizer for TensorwiseOptimizer<R> {
    fn theta_spec(&self) -> &ThetaSpec {
        &self.theta
    }

    fn state_layout(&self, params: &ParamLayout) -> Option<ParamLayout> {
        let array = |name: &&str| TensorSpec::new(*name, [params.padded_len()]);
        ParamLayout::new(R::STATE.iter().map(array).collect()).ok()
    }

    fn bind(&self, theta: Theta, params: &ParamLayout) -> Result<Box<dyn Update>> {
        self.theta.check(&theta)?;
        let squares = Squares::of(params);
        Ok(Box::new(Bound { rule: self.rule.clone(), params: params.clone(), squares }))
    }

    fn cost(&self) -> Cost {
        Cost { state_floats: R::STATE.len(), macs: 0 }
    }

    fn needs(&self) -> Needs {
        // Steps are as long as trust ratios say, whatever the size of the gradients.
        let grad_range = GradRange::SQUARES;
        Needs { overwrites_grads: Overwrites::Always, grad_range, ..Needs::default() }
    }
}

struct Bound<R> {
    rule: R,
    params: ParamLayout,
    squares: Squares,
}

impl<R: TensorRule> Update for Bound<R> {
    fn init(&mut self, _: &[f32], _: StateMut<'_>) {}

    fn step(&mut self, step: Step<'_>) {
        let Step { workers, state, mut params, mut grads, scale, .. } = step;
        *state.iteration += 1;
        let direction = self.rule.direction(*state.iteration);
        let stride = self.params.padded_len();
        let (first, last) = state.data.split_at_mut(R::Direction::ARRAYS * stride);
        for i in 0..self.params.num_tensors() {
            let range = self.params.padded_range(i);
            let (p, g) = (params.get(i, &range), grads.get(i, &range));
            let first = if R::Direction::ARRAYS == 0 { &mut [] } else { &mut first[range.start..] };
            let last = if R::Last::ARRAYS == 0 { &mut [] } else { &mut last[range.start..] };
            Directions::new(direction, p, g, first, stride).run(workers);
            let norm = |x: &[f32]| self.squares.norm(workers, x);
            let (rate, kernel) = self.rule.last([norm(p), norm(g)]);
            Sweep::new(kernel, p, g, last, stride).run(workers, rate * scale.of(i));
        }
    }
}

/// d: the direction as it is.
#[derive(Clone, Copy)]
pub(crate) struct Plain;

impl Elementwise for Plain {
    const ARRAYS: usize = 0;

    #[inline(always)]
    fn direction<S: Simd>(self, _: S, _: S::V, g: S::V, _: &mut [S::V; MAX_ARRAYS]) -> S::V {
        g
    }
}

/// factor·d + decay·p.
#[derive(Clone, Copy)]
pub(crate) struct Decayed {
    pub(crate) factor: f32,
    pub(crate) decay: f32,
}

impl Elementwise for Decayed {
    const ARRAYS: usize = 0;

    #[inline(always)]
    fn direction<S: Simd>(self, s: S, p: S::V, g: S::V, _: &mut [S::V; MAX_ARRAYS]) -> S::V {
        s.fma(s.splat(self.decay), p, s.mul(s.splat(self.factor), g))
    }
}

/// `ratio`, or 1 where a norm is 0.
pub(crate) fn trust_ratio(norms: [f32; 2], ratio: f32) -> f32 {
    if norms.contains(&0.0) { 1.0 } else { ratio }
}
