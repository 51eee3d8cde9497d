//! What wrappers of two optimizers share: both step from the same parameters, and their steps are joined.

use super::wrapper::{padded_len, prefixed};
use crate::error::Result;
use crate::optim::{
    Cost, Losses, Needs, Optimizer, Overwrites, Scale, StateMut, Step, Tensors, Theta, ThetaSpec, Update,
};
use crate::params::{ALIGN, ParamLayout, TensorSpec};
use crate::simd::{AlignedVec, Workers};
use std::ops::Range;
use std::sync::Arc;

/// How two steps become one.
pub(super) trait Join: Send + Sync + 'static {
    /// The factor of the inner optimizers' own steps, where the whole step has this one.
    fn inner_scale<'a>(&self, scale: Scale<'a>) -> Scale<'a>;

    /// Writes the parameters after the whole step.
    fn join(&self, tried: Tried<'_>);
}

/// What two optimizers made of the same parameters. All arrays are padded and may be overwritten.
pub(super) struct Tried<'a> {
    pub(super) layout: &'a ParamLayout,
    pub(super) workers: Workers<'a>,
    pub(super) scale: Scale<'a>,
    /// The parameters before.
    pub(super) before: &'a mut [f32],
    /// After the first optimizer's step; here the result goes.
    pub(super) params: &'a mut [f32],
    /// After the second one's.
    pub(super) other: &'a mut [f32],
    /// Scratch.
    pub(super) scratch: &'a mut [f32],
}

/// [`Optimizer`] of two others. Theta's leaves are those of the first under `inner_lopt_theta_0/`, then those of the
/// second under `inner_lopt_theta_1/`.
pub(super) struct Pair<J> {
    make: fn(&ParamLayout) -> J,
    inner: [Arc<dyn Optimizer>; 2],
    theta: ThetaSpec,
}

impl<J> Pair<J> {
    pub(super) fn new(make: fn(&ParamLayout) -> J, inner: [Arc<dyn Optimizer>; 2]) -> Self {
        let mut leaves = vec![];
        for (k, inner) in inner.iter().enumerate() {
            for (spec, init) in &inner.theta_spec().leaves {
                let name = format!("inner_lopt_theta_{k}/{}", spec.name);
                leaves.push((TensorSpec::new(name, spec.shape.clone()), *init));
            }
        }
        Self { make, inner, theta: ThetaSpec { leaves } }
    }

    fn arrays(&self, params: &ParamLayout) -> [Vec<TensorSpec>; 2] {
        [0, 1].map(|k| prefixed(&format!("inner_{k}"), &*self.inner[k], params))
    }
}

impl<J: Join> Optimizer for Pair<J> {
    fn theta_spec(&self) -> &ThetaSpec {
        &self.theta
    }

    fn state_layout(&self, params: &ParamLayout) -> Option<ParamLayout> {
        // The inner optimizers' iterations less the updates that there were: they may count validation calls.
        let mut arrays = vec![TensorSpec::new("ahead", [2])];
        arrays.extend(self.arrays(params).concat());
        ParamLayout::new(arrays).ok()
    }

    fn bind(&self, theta: Theta, params: &ParamLayout) -> Result<Box<dyn Update>> {
        self.theta.check(&theta)?;
        let (first, second) = theta.split_at(self.inner[0].theta_spec().len());
        let updates = [self.inner[0].bind(first.into(), params)?, self.inner[1].bind(second.into(), params)?];
        let [first, second] = self.arrays(params).map(padded_len);
        let zeros = || AlignedVec::zeros(params.padded_len());
        Ok(Box::new(Bound {
            join: (self.make)(params),
            layout: params.clone(),
            updates,
            valid_every: [0, 1].map(|k| self.inner[k].needs().valid_every),
            states: [ALIGN..ALIGN + first, ALIGN + first..ALIGN + first + second],
            before: zeros(),
            params: [zeros(), zeros()],
            grads: zeros(),
        }))
    }

    fn cost(&self) -> Cost {
        let [a, b] = [0, 1].map(|k| self.inner[k].cost());
        Cost { state_floats: a.state_floats + b.state_floats, macs: a.macs + b.macs }
    }

    fn needs(&self) -> Needs {
        let [a, b] = [0, 1].map(|k| self.inner[k].needs());
        let valid_every = match (a.valid_every, b.valid_every) {
            (Some(a), Some(b)) => Some(common_divisor(a, b)),
            (a, b) => a.or(b),
        };
        // Both get copies of the gradients.
        Needs {
            loss: a.loss || b.loss,
            num_steps: a.num_steps || b.num_steps,
            overwrites_grads: Overwrites::Never,
            valid_every,
            grad_range: a.grad_range.and(b.grad_range),
        }
    }
}

fn common_divisor(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { common_divisor(b, a % b) }
}

struct Bound<J> {
    join: J,
    layout: ParamLayout,
    updates: [Box<dyn Update>; 2],
    valid_every: [Option<u64>; 2],
    states: [Range<usize>; 2],
    /// Parameters before the step, and after those of the two.
    before: AlignedVec,
    params: [AlignedVec; 2],
    /// Gradients that the next of the two may overwrite.
    grads: AlignedVec,
}

impl<J: Join> Update for Bound<J> {
    fn init(&mut self, params: &[f32], state: StateMut<'_>) {
        let num_steps = state.num_steps;
        for (update, range) in self.updates.iter_mut().zip(&self.states) {
            let data = &mut state.data[range.clone()];
            update.init(params, StateMut { data, iteration: &mut 0, num_steps });
        }
    }

    fn step(&mut self, step: Step<'_>) {
        let done = *step.state.iteration;
        *step.state.iteration += 1;
        self.try_both(step, done, |update, step| {
            update.step(step);
            true
        });
    }

    /// One that has gathered nothing has a step of 0.
    fn flush(&mut self, step: Step<'_>) -> bool {
        let done = *step.state.iteration;
        self.try_both(step, done, |update, step| update.flush(step))
    }
}

impl<J: Join> Bound<J> {
    /// Both from the same parameters, after `done` calls; their steps are joined if there was any.
    fn try_both(&mut self, step: Step<'_>, done: u64, act: fn(&mut dyn Update, Step<'_>) -> bool) -> bool {
        let Step { workers, state, mut params, mut grads, losses, scale } = step;
        let StateMut { data, iteration, num_steps } = state;
        let now = *iteration;
        let mut has_stepped = false;
        params.read(&self.layout, &mut self.before);
        for k in 0..2 {
            self.params[k].copy_from_slice(&self.before);
            grads.read(&self.layout, &mut self.grads);
            let mut iteration = done + data[k] as u64;
            let is_due = self.valid_every[k].is_some_and(|every| done.is_multiple_of(every));
            let losses = Losses { valid: losses.valid.filter(|_| is_due), ..losses };
            let data_of = &mut data[self.states[k].clone()];
            let state = StateMut { data: data_of, iteration: &mut iteration, num_steps };
            let scale = self.join.inner_scale(scale);
            let (params, grads) = (Tensors::joint(&mut self.params[k]), Tensors::joint(&mut self.grads));
            has_stepped |= act(&mut *self.updates[k], Step { workers, state, params, grads, losses, scale });
            data[k] = (iteration - now) as f32;
        }
        if !has_stepped {
            return false;
        }
        let [first, second] = &mut self.params;
        self.join.join(Tried {
            layout: &self.layout,
            workers,
            scale,
            before: &mut self.before,
            params: first,
            other: second,
            scratch: &mut self.grads,
        });
        params.write(&self.layout, &self.params[0]);
        true
    }
}
