//! Every n-th call updates, with the means of the gradients and losses of n calls; the others only add.
//!
//! # References
//! google/learned_optimization (32186aa), its gradient accumulator: the inner optimizer is told `num_steps` // n steps. A
//! difference: the newest validation loss of n calls goes to the inner optimizer too.

use super::wrapper::{Around, Wrap, Wrapper};
use crate::error::Result;
use crate::optim::elementwise::{Elementwise, MAX_ARRAYS};
use crate::optim::options::{Ranges, options};
use crate::optim::tensorwise::direct_all;
use crate::optim::{Config, Losses, Needs, Optimizer, Overwrites, StateMut, Step, Update};
use crate::params::{ParamLayout, TensorSpec};
use crate::simd::Simd;
use std::sync::Arc;

options! {
    /// Every n-th step updates, with the means of n gradients and losses; the inner optimizer is told numSteps/n steps.
    pub struct Accumulate<C> {
        /// What steps.
        inner: Box<C> => Range::Optimizer;
        /// n; up to 2²⁰, sums of so many losses are still good to f32.
        steps: usize => Range::integer(1, 1 << 20);
    }
}

impl<C: Config> Config for Accumulate<C> {
    fn checked(self) -> Result<Self> {
        self.check_ranges()?;
        Ok(Self { inner: Box::new(self.inner.checked()?), ..self })
    }

    fn build(self) -> Result<Arc<dyn Optimizer>> {
        let inner = self.inner.build()?;
        Ok(Arc::new(Wrapper { wrap: Every { steps: self.steps as u64 }, inner }))
    }
}

#[derive(Clone, Copy)]
struct Every {
    steps: u64,
}

/// Name of the array of gathered gradients.
pub const SUM: &str = "sum";

/// Places in the array `kept`: the sum of losses, the newest validation loss and whether there is one, and the inner
/// optimizer's iteration less the updates that there were (it may count validation calls).
const LOSSES: usize = 0;
const VALID: usize = 1;
const HAS_VALID: usize = 2;
const AHEAD: usize = 3;

impl Wrap for Every {
    type Bound = Bound;

    fn arrays(&self, params: &ParamLayout) -> Vec<TensorSpec> {
        vec![TensorSpec::new(SUM, [params.padded_len()]), TensorSpec::new("kept", [4])]
    }

    fn needs(&self, inner: Needs) -> Needs {
        Needs {
            overwrites_grads: Overwrites::Always,
            valid_every: inner.valid_every.map(|every| every.saturating_mul(self.steps)),
            ..inner
        }
    }

    fn bind(&self, params: &ParamLayout) -> Bound {
        Bound { steps: self.steps, params: params.clone() }
    }
}

struct Bound {
    steps: u64,
    params: ParamLayout,
}

impl Around for Bound {
    fn step(&mut self, mut step: Step<'_>, own: &mut [f32], inner: &mut dyn Update) {
        let (sum, kept) = own.split_at_mut(self.params.padded_len());
        *step.state.iteration += 1;
        direct_all(step.workers, Add, &self.params, [&mut step.params, &mut step.grads], sum);
        kept[LOSSES] += step.losses.train;
        if let Some(valid) = step.losses.valid {
            (kept[VALID], kept[HAS_VALID]) = (valid, 1.0);
        }
        if step.state.iteration.is_multiple_of(self.steps) {
            self.update(&mut step, own, inner, self.steps);
        }
    }

    /// With the means of the calls that there were; the window then counts as full. What the inner optimizer has gathered is
    /// flushed too.
    fn flush(&mut self, mut step: Step<'_>, own: &mut [f32], inner: &mut dyn Update) -> bool {
        let count = *step.state.iteration % self.steps;
        if count > 0 {
            let sum = &mut own[..self.params.padded_len()];
            direct_all(step.workers, Add, &self.params, [&mut step.params, &mut step.grads], sum);
            *step.state.iteration += self.steps - count;
            self.update(&mut step, own, inner, count);
            for i in 0..self.params.num_tensors() {
                step.grads.get(i, &self.params.padded_range(i)).fill(0.0);
            }
        }
        let kept = &mut own[self.params.padded_len()..];
        let updates = *step.state.iteration / self.steps;
        let mut iteration = updates + kept[AHEAD] as u64;
        let num_steps = step.state.num_steps / self.steps;
        let state = StateMut { data: step.state.data, iteration: &mut iteration, num_steps };
        let has_flushed = inner.flush(Step { state, ..step });
        kept[AHEAD] = (iteration - updates) as f32;
        count > 0 || has_flushed
    }
}

impl Bound {
    /// The inner step, from `count` calls whose sum stands in the gradients.
    fn update(&mut self, step: &mut Step<'_>, own: &mut [f32], inner: &mut dyn Update, count: u64) {
        let Step { workers, state, params, grads, scale, .. } = step;
        let (sum, kept) = own.split_at_mut(self.params.padded_len());
        let count = count as f32;
        direct_all(*workers, Divide { count }, &self.params, [&mut *params, &mut *grads], &mut []);
        sum.fill(0.0);
        let losses =
            Losses { train: kept[LOSSES] / count, valid: (kept[HAS_VALID] == 1.0).then_some(kept[VALID]) };
        let updates = *state.iteration / self.steps;
        let mut iteration = updates - 1 + kept[AHEAD] as u64;
        let num_steps = state.num_steps / self.steps;
        let inner_state = StateMut { data: &mut *state.data, iteration: &mut iteration, num_steps };
        let (params, grads) = (params.reborrow(), grads.reborrow());
        inner.step(Step { workers: *workers, state: inner_state, params, grads, losses, scale: *scale });
        kept[..AHEAD].fill(0.0);
        kept[AHEAD] = (iteration - updates) as f32;
    }
}

/// sum ← sum + g; the sum.
#[derive(Clone, Copy)]
struct Add;

impl Elementwise for Add {
    const ARRAYS: usize = 1;

    #[inline(always)]
    fn direction<S: Simd>(self, s: S, _: S::V, g: S::V, state: &mut [S::V; MAX_ARRAYS]) -> S::V {
        state[0] = s.add(state[0], g);
        state[0]
    }
}

/// g/count.
#[derive(Clone, Copy)]
struct Divide {
    count: f32,
}

impl Elementwise for Divide {
    const ARRAYS: usize = 0;

    #[inline(always)]
    fn direction<S: Simd>(self, s: S, _: S::V, g: S::V, _: &mut [S::V; MAX_ARRAYS]) -> S::V {
        s.div(g, s.splat(self.count))
    }
}
