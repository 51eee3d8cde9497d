//! An optimizer bound to shapes, with its state.

use super::finite::{NonFinite, is_within};
use super::padding::Padding;
use super::pool::shared_pool;
use crate::error::{Error, Result};
use crate::optim::{
    GradRange, Losses, Optimizer, OptimizerState, Overwrites, Scale, Step, Tensors, Theta, Update,
    empty_state,
};
use crate::params::{ParamLayout, TensorSpec};
use crate::simd::{Cpu, FlushDenormals, Workers};
use std::ops::Range;
use std::sync::Arc;

/// Parameters below which one thread does all: waking others takes longer.
const SHARED: usize = 1 << 17;

/// How an optimizer is applied.
#[derive(Clone, Copy, Debug)]
pub struct ApplyOptions {
    /// Updates that there will be, for optimizers that want to know ([`crate::optim::Needs::num_steps`]).
    pub num_steps: Option<u64>,
    /// What becomes of gradients that are not finite.
    pub non_finite: NonFinite,
    /// Threads that share large tensors, at least 1.
    pub threads: usize,
    /// The backend.
    pub cpu: Cpu,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Report {
    /// Whether parameters and state have changed.
    pub is_applied: bool,
    /// Gradient elements that were set to zero.
    pub num_zeroed: usize,
    /// Tensors whose gradient was scaled down, so that its squares stay in f32 ([`GradRange::Held`]).
    pub num_held: usize,
}

/// An optimizer at work on tensors that belong to the caller.
pub struct Applied {
    pub(super) optimizer: Arc<dyn Optimizer>,
    pub(super) theta: Theta,
    pub(super) layout: ParamLayout,
    pub(super) update: Box<dyn Update>,
    pub(super) state: OptimizerState,
    pub(super) params: Padding,
    grads: Padding,
    /// Room for all gradients, made when elements have to be changed.
    copied: Option<Padding>,
    non_finite: NonFinite,
    pub(super) pool: Option<Arc<rayon::ThreadPool>>,
    pub(super) cpu: Cpu,
    pub(super) options: ApplyOptions,
    /// The tensors that had a gradient when some had none, at work as a model of their own.
    pub(super) subset: Option<Subset>,
    /// Where in the state arrays of gathered gradients start, once somebody asked.
    pub(super) sums: Option<Vec<usize>>,
}

/// The tensors of the last step that left some alone.
pub(super) struct Subset {
    /// Their indices.
    pub(super) indices: Vec<usize>,
    pub(super) applied: Box<Applied>,
    /// Their slices of the whole state, and where these are in theirs.
    pub(super) slices: Vec<(Range<usize>, Range<usize>)>,
}

impl Applied {
    /// `optimizer` under `theta` for tensors of the given names and shapes, with its first state, which may depend on the
    /// parameters.
    /// # Errors
    /// `ShapeMismatch` if theta does not fit, there is no tensor, a tensor is empty or a name repeats, or `params` are not
    /// of these shapes; `InvalidOption` if the number of steps is missing.
    pub fn new(
        optimizer: Arc<dyn Optimizer>,
        theta: Theta,
        tensors: Vec<TensorSpec>,
        params: &[&[f32]],
        options: ApplyOptions,
    ) -> Result<Self> {
        Self::with_layout(optimizer, theta, ParamLayout::new(tensors)?, params, options)
    }

    pub(super) fn with_layout(
        optimizer: Arc<dyn Optimizer>,
        theta: Theta,
        layout: ParamLayout,
        params: &[&[f32]],
        options: ApplyOptions,
    ) -> Result<Self> {
        let ApplyOptions { num_steps, non_finite, threads, cpu } = options;
        let needs = optimizer.needs();
        if needs.num_steps && num_steps.is_none_or(|n| n == 0) {
            return Err(Error::option("init: expected `numSteps`, which this optimizer reads, got none"));
        }
        check(&layout, "params", params.iter().map(|p| p.len()))?;
        let mut update = optimizer.bind(theta.clone(), &layout)?;
        let mut state = empty_state(&*optimizer, &layout, num_steps.unwrap_or(0));
        let mut padded = crate::simd::AlignedVec::zeros(layout.padded_len());
        for (i, p) in params.iter().enumerate() {
            padded[layout.range(i)].copy_from_slice(p);
        }
        update.init(&padded, state.view());
        Ok(Self {
            params: Padding::new(&layout, false),
            grads: Padding::new(&layout, needs.overwrites_grads == Overwrites::Always),
            copied: None,
            pool: if threads > 1 && layout.flat_len() >= SHARED { Some(shared_pool(threads)?) } else { None },
            optimizer,
            theta,
            layout,
            update,
            state,
            non_finite,
            cpu,
            options,
            subset: None,
            sums: None,
        })
    }

    /// Bytes of the state and of copies of tensors, without the scratch of the rule.
    pub fn num_bytes(&self) -> usize {
        let copies = [Some(&self.params), Some(&self.grads), self.copied.as_ref()].into_iter().flatten();
        let floats = self.state.data.len() + copies.map(Padding::len).sum::<usize>();
        floats * size_of::<f32>() + self.subset.as_ref().map_or(0, |subset| subset.applied.num_bytes())
    }

    /// The tensors.
    pub fn layout(&self) -> &ParamLayout {
        &self.layout
    }

    /// The optimizer's state: arrays of [`Optimizer::state_layout`], and its clock.
    pub fn state(&self) -> &OptimizerState {
        &self.state
    }

    /// Names and places of the state's arrays; `None` if there are none.
    pub fn state_layout(&self) -> Option<ParamLayout> {
        self.optimizer.state_layout(&self.layout)
    }

    /// Takes over a state of the same optimizer and tensors.
    /// # Errors
    /// `ShapeMismatch` if it has another length.
    pub fn set_state(&mut self, data: &[f32], iteration: u64, num_steps: u64) -> Result<()> {
        let expected = self.state.data.len();
        if data.len() != expected {
            let message = format!("restore: expected a state of {expected} numbers, got {}", data.len());
            return Err(Error::shape(message));
        }
        self.state.data.copy_from_slice(data);
        (self.state.iteration, self.state.num_steps) = (iteration, num_steps);
        Ok(())
    }

    /// One step: `params` in place, from gradients at them and the loss there. `valid` is a validation loss, at the steps
    /// that have one.
    /// # Errors
    /// `ShapeMismatch` if a tensor has another length; `InvalidOption` if a loss is missing that the optimizer reads;
    /// `DataInvalid` if a gradient or a loss that is read is not finite, unless the policy says otherwise. After an error
    /// nothing has changed.
    pub fn step(
        &mut self,
        params: &mut [&mut [f32]],
        grads: &[&[f32]],
        loss: Option<f32>,
        valid: Option<f32>,
        scale: Scale<'_>,
    ) -> Result<Report> {
        check(&self.layout, "params", params.iter().map(|p| p.len()))?;
        check(&self.layout, "grads", grads.iter().map(|g| g.len()))?;
        let needs = self.optimizer.needs();
        if needs.loss && loss.is_none() {
            return Err(Error::option("update: expected `loss`, which this optimizer reads, got none"));
        }
        let _flush = FlushDenormals::on();
        let workers = match &self.pool {
            Some(pool) => Workers::of(self.cpu, pool),
            None => Workers::one(self.cpu),
        };
        let lens: Vec<_> = grads.iter().map(|g| g.len()).collect();
        let range = match self.non_finite {
            NonFinite::Propagate => GradRange::Any,
            _ => needs.grad_range,
        };
        // The largest element that counts as finite, and the largest that need not be changed.
        let finite = |i: usize| match range {
            GradRange::Refused => range.largest(lens[i]),
            _ => f32::MAX,
        };
        let bound = |i: usize| match needs.overwrites_grads {
            Overwrites::Above(bound) => bound.min(range.largest(lens[i])),
            _ => range.largest(lens[i]),
        };
        let is_bounded = range != GradRange::Any || matches!(needs.overwrites_grads, Overwrites::Above(_));
        let is_checked = self.non_finite != NonFinite::Propagate || is_bounded;
        // One look tells whether gradients are finite and whether the optimizer will write any.
        let is_written =
            is_checked && grads.iter().enumerate().any(|(i, g)| !is_within(workers, g, bound(i)));
        let bad = match self.non_finite {
            NonFinite::Propagate => None,
            _ if !is_written => None,
            _ => (0..grads.len()).find(|&i| !is_within(workers, grads[i], finite(i))),
        };
        let has_bad_loss = needs.loss && [loss, valid].into_iter().flatten().any(|x| !x.is_finite());
        match self.non_finite {
            NonFinite::Throw if bad.is_some() || has_bad_loss => {
                return Err(Error::data(match bad {
                    Some(i) => bad_gradient(&self.layout.specs()[i].name, grads[i], finite(i)),
                    None => loss_message(loss, valid),
                }));
            }
            // No loss stands for one that is not a number.
            NonFinite::Zero if has_bad_loss => return Err(Error::data(loss_message(loss, valid))),
            NonFinite::Skip if bad.is_some() || has_bad_loss => {
                return Ok(Report { is_applied: false, num_zeroed: 0, num_held: 0 });
            }
            _ => {}
        }
        let (mut num_zeroed, mut num_held) = (0, 0);
        let sources: Vec<_> = grads.iter().map(|g| (g.as_ptr().cast_mut(), g.len())).collect();
        let padding = match &mut self.copied {
            copied if is_written => {
                let padding = copied.get_or_insert_with(|| Padding::new(&self.layout, true));
                // SAFETY: all are copied, and the copies alone are written.
                let _ = unsafe { padding.places(&sources) };
                if bad.is_some() && self.non_finite == NonFinite::Zero {
                    num_zeroed = padding.zero_beyond(finite);
                }
                if matches!(range, GradRange::Held { .. }) {
                    num_held = padding.hold(self.cpu, |i| range.largest(lens[i]));
                }
                padding
            }
            _ => {
                // SAFETY: the optimizer writes gradients only if it says so; then all are copies, or within its bound.
                let _ = unsafe { self.grads.places(&sources) };
                &mut self.grads
            }
        };
        let targets: Vec<_> = params.iter_mut().map(|p| (p.as_mut_ptr(), p.len())).collect();
        // SAFETY: the caller lent the parameters for this call.
        let places = unsafe { self.params.places(&targets) };
        // SAFETY: nobody else uses the parameters during the step, and slices of one caller do not meet.
        let params_at = unsafe { Tensors::separate(places) };
        // SAFETY: as above.
        let grads_at = unsafe { Tensors::separate(padding.filled()) };
        let step = Step {
            workers,
            state: self.state.view(),
            params: params_at,
            grads: grads_at,
            losses: Losses { train: loss.unwrap_or(f32::NAN), valid },
            scale,
        };
        match &self.pool {
            // From inside the pool its threads are awake from one part of the step to the next.
            Some(pool) => pool.install(|| {
                let _flush = FlushDenormals::on();
                self.update.step(step);
            }),
            None => self.update.step(step),
        }
        self.params.write_back(params);
        Ok(Report { is_applied: true, num_zeroed, num_held })
    }
}

pub(super) fn check(
    layout: &ParamLayout,
    what: &str,
    lens: impl ExactSizeIterator<Item = usize>,
) -> Result<()> {
    if lens.len() != layout.num_tensors() {
        let message = format!("{what}: expected {} tensors, got {}", layout.num_tensors(), lens.len());
        return Err(Error::shape(message));
    }
    for (spec, len) in layout.specs().iter().zip(lens) {
        if len != spec.len() {
            let message = format!(
                "{what}: expected {} numbers for `{}` of shape {:?}, got {len}",
                spec.len(),
                spec.name,
                spec.shape
            );
            return Err(Error::shape(message));
        }
    }
    Ok(())
}

fn loss_message(loss: Option<f32>, valid: Option<f32>) -> String {
    let bad = |(name, x): (_, Option<f32>)| x.filter(|x| !x.is_finite()).map(|x| (name, x));
    let (name, got) = [("loss", loss), ("validLoss", valid)].into_iter().find_map(bad).unwrap_or_default();
    format!("update: expected `{name}` to be finite, got {got}")
}

/// What is wrong with a gradient that has an element beyond `largest`.
fn bad_gradient(name: &str, grad: &[f32], largest: f32) -> String {
    let first = |is_bad: &dyn Fn(f32) -> bool| grad.iter().position(|&x| is_bad(x)).map(|at| (at, grad[at]));
    if let Some((at, got)) = first(&|x| !x.is_finite()) {
        return format!("update: expected finite gradients, got {got} at element {at} of `{name}`");
    }
    let (at, got) = first(&|x| x.abs() > largest).unwrap_or((0, f32::NAN));
    format!(
        "update: expected gradients of at most {largest:e} for `{name}`, whose squares this optimizer keeps in f32, got {got:e} at element {at}"
    )
}
