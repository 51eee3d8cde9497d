//! Hand-designed rules that look at one element at a time: a rule is one function on registers, and needs no loop,
//! layout or thread of its own.
#![allow(
    clippy::needless_range_loop,
    reason = "in kernels, arrays of registers are walked by index: see `simd`"
)]

use super::{Cost, Needs, Optimizer, StateMut, Step, Theta, ThetaSpec, Update};
use crate::error::Result;
use crate::params::{ParamLayout, TensorSpec};
use crate::simd::{Cpu, Kernel, Simd, Workers};

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
        Self { rule, theta: ThetaSpec::default(), needs: Needs::default() }
    }

    /// One whose rule reads the number of steps.
    pub(crate) fn with_num_steps(rule: R) -> Self {
        Self { needs: Needs { num_steps: true, ..Needs::default() }, ..Self::new(rule) }
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
        let Step { workers, state, params, grads, scale, .. } = step;
        *state.iteration += 1;
        let (rate, kernel) = self.rule.at(*state.iteration, state.num_steps);
        let mut sweep = Sweep::new(kernel, params, grads, state.data);
        if let Some(factor) = scale.uniform() {
            return sweep.run(workers, 0..params.len(), rate * factor);
        }
        for i in 0..self.params.num_tensors() {
            sweep.run(workers, self.params.padded_range(i), rate * scale.of(i));
        }
    }
}

/// A rule and the padded arrays that it works on.
pub(crate) struct Sweep<K> {
    kernel: K,
    params: *mut f32,
    grads: *const f32,
    /// [`Elementwise::ARRAYS`] arrays, `len` apart.
    state: *mut f32,
    len: usize,
}

// SAFETY: the arrays are borrowed for as long as the sweep is used, and threads get disjoint ranges of them.
unsafe impl<K: Send> Send for Sweep<K> {}
// SAFETY: as above.
unsafe impl<K: Sync> Sync for Sweep<K> {}

impl<K: Elementwise> Sweep<K> {
    /// On arrays of whole registers; those of the state lie one after another.
    pub(crate) fn new(kernel: K, params: &mut [f32], grads: &[f32], state: &mut [f32]) -> Self {
        let len = params.len();
        assert!(grads.len() == len && state.len() >= K::ARRAYS * len && K::ARRAYS <= MAX_ARRAYS);
        Self { kernel, params: params.as_mut_ptr(), grads: grads.as_ptr(), state: state.as_mut_ptr(), len }
    }

    /// p ← p − rate·direction on a range of whole registers.
    pub(crate) fn run(&mut self, workers: Workers<'_>, range: std::ops::Range<usize>, rate: f32) {
        let sweep = &*self;
        workers.chunks(range, CHUNK, |cpu, part| sweep.part(cpu, part, rate));
    }

    fn part(&self, cpu: Cpu, part: std::ops::Range<usize>, rate: f32) {
        assert!(part.end <= self.len);
        cpu.run(Part { sweep: self, from: part.start, to: part.end, rate });
    }
}

struct Part<'a, K> {
    sweep: &'a Sweep<K>,
    from: usize,
    to: usize,
    rate: f32,
}

impl<K: Elementwise> Kernel for Part<'_, K> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Sweep { kernel, params, grads, state, len } = *self.sweep;
        let rate = s.splat(self.rate);
        let mut at = self.from;
        while at + S::WIDTH <= self.to {
            // SAFETY: `Sweep::part` checked the range, and no other thread has it.
            unsafe {
                let p = s.load(params.add(at));
                let mut x = [p; MAX_ARRAYS];
                for k in 0..K::ARRAYS {
                    x[k] = s.load(state.add(k * len + at));
                }
                let direction = kernel.direction(s, p, s.load(grads.add(at)), &mut x);
                for k in 0..K::ARRAYS {
                    s.store(state.add(k * len + at), x[k]);
                }
                s.store(params.add(at), s.fnma(rate, direction, p));
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
