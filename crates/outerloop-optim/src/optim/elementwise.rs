//! Hand-designed rules that look at one element at a time: a rule is one function on registers, and needs no loop,
//! layout or thread of its own.
#![allow(
    clippy::needless_range_loop,
    reason = "in kernels, arrays of registers are walked by index: see `simd`"
)]

use super::{Cost, GradRange, Needs, Optimizer, Scale, StateMut, Step, Tensors, Theta, ThetaSpec, Update};
use crate::error::Result;
use crate::params::{ParamLayout, TensorSpec};
use crate::simd::{Kernel, Simd, Workers};
use std::marker::PhantomData;

/// Most arrays of state.
pub(crate) const MAX_ARRAYS: usize = 4;
/// Elements that one thread does at a time; a multiple of a register, and small enough that sharing them is even.
const CHUNK: usize = 1 << 15;

/// A rule on registers, with all constants of one step.
pub(crate) trait Elementwise: Copy + Send + Sync {
    /// Arrays of state that it reads and writes.
    const ARRAYS: usize;

    /// What the rate multiplies and the parameter loses, for a register of parameters and gradients; `state` in place. It
    /// is `#[inline(always)]`, as all that runs in kernels.
    fn direction<S: Simd>(self, s: S, p: S::V, g: S::V, state: &mut [S::V; MAX_ARRAYS]) -> S::V;
}

/// A hand-designed optimizer whose steps are [`Elementwise`].
pub(crate) trait Rule: Clone + Send + Sync + 'static {
    /// The rule of one step.
    type Kernel: Elementwise;
    /// Names of the arrays of state.
    const STATE: &'static [&'static str];

    /// Sizes of gradients at which the state stays finite.
    const GRAD_RANGE: GradRange;

    /// What the arrays of state hold at first.
    fn first_state(&self) -> [f32; MAX_ARRAYS];

    /// Rate and rule of update `t`, counted from 1, of `num_steps` (0 if nobody said how many).
    fn at(&self, t: u64, num_steps: u64) -> (f32, Self::Kernel);
}

/// [`Optimizer`] of a [`Rule`].
pub(crate) struct ElementwiseOptimizer<R> {
    rule: R,
    theta: ThetaSpec,
    needs: Needs,
}

impl<R: Rule> ElementwiseOptimizer<R> {
    pub(crate) fn new(rule: R) -> Self {
        Self {
            rule,
            theta: ThetaSpec::default(),
            needs: Needs { grad_range: R::GRAD_RANGE, ..Needs::default() },
        }
    }

    /// One whose rule reads the number of steps.
    pub(crate) fn with_num_steps(rule: R) -> Self {
        let mut optimizer = Self::new(rule);
        optimizer.needs.num_steps = true;
        optimizer
    }
}

impl<R: Rule> Optimizer for ElementwiseOptimizer<R> {
    fn theta_spec(&self) -> &ThetaSpec {
        &self.theta
    }

    fn state_layout(&self, params: &ParamLayout) -> Option<ParamLayout> {
        let array = |name: &&str| TensorSpec::new(*name, [params.padded_len()]);
        ParamLayout::new(R::STATE.iter().map(array).collect()).ok()
    }

    fn bind(&self, theta: Theta, params: &ParamLayout) -> Result<Box<dyn Update>> {
        self.theta.check(&theta)?;
        Ok(Box::new(Bound { rule: self.rule.clone(), params: params.clone() }))
    }

    fn cost(&self) -> Cost {
        Cost { state_floats: R::STATE.len(), macs: 0 }
    }

    fn needs(&self) -> Needs {
        self.needs
    }
}

struct Bound<R> {
    rule: R,
    params: ParamLayout,
}

impl<R: Rule> Update for Bound<R> {
    fn init(&mut self, params: &[f32], state: StateMut<'_>) {
        let first = self.rule.first_state();
        for (array, first) in state.data.chunks_exact_mut(params.len()).zip(first) {
            // Gaps keep their zeros: a mean that does not start at 0 would move them.
            for i in 0..self.params.num_tensors() {
                array[self.params.range(i)].fill(first);
            }
        }
    }

    fn step(&mut self, step: Step<'_>) {
        let Step { workers, state, mut params, mut grads, scale, .. } = step;
        *state.iteration += 1;
        let (rate, kernel) = self.rule.at(*state.iteration, state.num_steps);
        sweep_all(workers, kernel, rate, &self.params, [&mut params, &mut grads], state.data, scale);
    }
}

/// p ← p − rate·scale·direction for all tensors; the state's arrays are padded arrays over all of them.
pub(crate) fn sweep_all<K: Elementwise>(
    workers: Workers<'_>,
    kernel: K,
    rate: f32,
    layout: &ParamLayout,
    [params, grads]: [&mut Tensors<'_>; 2],
    state: &mut [f32],
    scale: Scale<'_>,
) {
    let stride = layout.padded_len();
    if let (Some(factor), Some(p), Some(g)) = (scale.uniform(), params.as_joint(), grads.as_joint()) {
        return Sweep::new(kernel, p, g, state, stride).run(workers, rate * factor);
    }
    for i in 0..layout.num_tensors() {
        let range = layout.padded_range(i);
        let state = if K::ARRAYS == 0 { &mut [] } else { &mut state[range.start..] };
        let (p, g) = (params.get(i, &range), grads.get(i, &range));
        Sweep::new(kernel, p, g, state, stride).run(workers, rate * scale.of(i));
    }
}

/// A rule and the padded arrays that it works on, borrowed for `'a`.
struct Arrays<'a, K> {
    kernel: K,
    params: *mut f32,
    grads: *mut f32,
    /// [`Elementwise::ARRAYS`] arrays, `stride` apart.
    state: *mut f32,
    stride: usize,
    len: usize,
    borrowed: PhantomData<&'a mut [f32]>,
}

// SAFETY: the arrays are borrowed for `'a`, and threads get disjoint ranges of them.
unsafe impl<K: Send> Send for Arrays<'_, K> {}
// SAFETY: as above.
unsafe impl<K: Sync> Sync for Arrays<'_, K> {}

impl<'a, K: Elementwise> Arrays<'a, K> {
    /// On `len` elements, whole registers. Both pointers are of arrays of that length that live for `'a`.
    fn new(
        kernel: K,
        [params, grads]: [*mut f32; 2],
        len: usize,
        state: &'a mut [f32],
        stride: usize,
    ) -> Self {
        assert!(K::ARRAYS <= MAX_ARRAYS);
        assert!(K::ARRAYS == 0 || state.len() >= (K::ARRAYS - 1) * stride + len);
        Self { kernel, params, grads, state: state.as_mut_ptr(), stride, len, borrowed: PhantomData }
    }

    /// Moves the parameters by `rate` times the directions, or makes the gradients directions.
    fn run<const MOVES: bool>(&self, workers: Workers<'_>, rate: f32) {
        workers.chunks(0..self.len, CHUNK, |cpu, part| {
            cpu.run(Part::<K, MOVES> { arrays: self, from: part.start, to: part.end, rate });
        });
    }
}

/// Parameters that a rule moves along its directions.
pub(crate) struct Sweep<'a, K>(Arrays<'a, K>);

impl<'a, K: Elementwise> Sweep<'a, K> {
    /// On arrays of whole registers; those of the state start `stride` apart.
    pub(crate) fn new(
        kernel: K,
        params: &'a mut [f32],
        grads: &'a [f32],
        state: &'a mut [f32],
        stride: usize,
    ) -> Self {
        let len = params.len();
        assert!(grads.len() == len);
        let arrays = [params.as_mut_ptr(), grads.as_ptr().cast_mut()];
        Self(Arrays::new(kernel, arrays, len, state, stride))
    }

    /// p ← p − rate·direction.
    pub(crate) fn run(&mut self, workers: Workers<'_>, rate: f32) {
        self.0.run::<true>(workers, rate);
    }
}

/// Gradients that are overwritten by the directions that a rule makes of them.
pub(crate) struct Directions<'a, K>(Arrays<'a, K>);

impl<'a, K: Elementwise> Directions<'a, K> {
    /// Of arrays as those of a [`Sweep`].
    pub(crate) fn new(
        kernel: K,
        params: &'a [f32],
        grads: &'a mut [f32],
        state: &'a mut [f32],
        stride: usize,
    ) -> Self {
        let len = params.len();
        assert!(grads.len() == len);
        let arrays = [params.as_ptr().cast_mut(), grads.as_mut_ptr()];
        Self(Arrays::new(kernel, arrays, len, state, stride))
    }

    /// g ← direction.
    pub(crate) fn run(&mut self, workers: Workers<'_>) {
        self.0.run::<false>(workers, 0.0);
    }
}

struct Part<'a, K, const MOVES: bool> {
    arrays: &'a Arrays<'a, K>,
    from: usize,
    to: usize,
    rate: f32,
}

impl<K: Elementwise, const MOVES: bool> Kernel for Part<'_, K, MOVES> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Arrays { kernel, params, grads, state, stride, len, .. } = *self.arrays;
        assert!(self.to <= len);
        let rate = s.splat(self.rate);
        let mut at = self.from;
        while at + S::WIDTH <= self.to {
            // SAFETY: the range is inside the arrays, and no other thread has it; only what was lent for writing is written.
            unsafe {
                let p = s.load(params.add(at));
                let mut x = [p; MAX_ARRAYS];
                for k in 0..K::ARRAYS {
                    x[k] = s.load(state.add(k * stride + at));
                }
                let direction = kernel.direction(s, p, s.load(grads.add(at)), &mut x);
                for k in 0..K::ARRAYS {
                    s.store(state.add(k * stride + at), x[k]);
                }
                if MOVES {
                    s.store(params.add(at), s.fnma(rate, direction, p));
                } else {
                    s.store(grads.add(at), direction);
                }
            }
            at += S::WIDTH;
        }
    }
}

/// −1, 0 or 1; NaN stays NaN.
#[inline(always)]
pub(crate) fn sign<S: Simd>(s: S, x: S::V) -> S::V {
    let zero = s.splat(0.0);
    let negative = s.select(s.gt(zero, x), s.splat(-1.0), x);
    s.select(s.gt(x, zero), s.splat(1.0), negative)
}
