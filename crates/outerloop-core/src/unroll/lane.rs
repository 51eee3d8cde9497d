//! One inner problem under one theta.

use crate::error::Result;
use crate::optim::{Losses, Optimizer, OptimizerState, Scale, Step, Tensors, Theta, Update, empty_state};
use crate::rng::Key;
use crate::simd::{AlignedVec, Cpu, Workers};
use crate::task::{Batch, Plan, Task};

/// Sub-stream of an unroll's key from which the initial parameters are drawn.
const STREAM_INIT: u64 = 0;

/// How a lane ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LaneStatus {
    /// All its losses were finite.
    Ok,
    /// A loss was not finite; the lane stands still since then.
    Diverged,
}

impl LaneStatus {
    /// Whether the lane diverged.
    pub fn is_diverged(self) -> bool {
        self == Self::Diverged
    }
}

/// Parameters and optimizer state of one inner problem.
#[derive(Clone, Debug)]
pub(super) struct Lane {
    pub(super) params: AlignedVec,
    pub(super) state: OptimizerState,
    pub(super) status: LaneStatus,
}

impl Lane {
    /// A fresh problem; the state is written by [`BoundLane::init`].
    pub(super) fn new(task: &dyn Task, optimizer: &dyn Optimizer, key: Key, num_steps: u64) -> Self {
        let layout = &task.spec().params;
        let mut params = AlignedVec::zeros(layout.padded_len());
        task.spec().init_params(key.fold(STREAM_INIT), &mut params);
        Self { params, state: empty_state(optimizer, layout, num_steps), status: LaneStatus::Ok }
    }
}

/// A lane with its optimizer bound to a theta, and room for gradients.
pub(super) struct BoundLane {
    pub(super) lane: Lane,
    update: Box<dyn Update>,
    grads: AlignedVec,
}

impl BoundLane {
    pub(super) fn new(lane: Lane, task: &dyn Task, optimizer: &dyn Optimizer, theta: Theta) -> Result<Self> {
        let update = optimizer.bind(theta, &task.spec().params)?;
        let grads = AlignedVec::zeros(lane.params.len());
        Ok(Self { lane, update, grads })
    }

    /// Writes the first state: it may depend on theta.
    pub(super) fn init(&mut self) {
        self.update.init(&self.lane.params, self.lane.state.view());
    }

    /// One inner step on `batch`; returns the loss before the update, not finite if the lane has diverged.
    pub(super) fn step(
        &mut self,
        cpu: Cpu,
        plan: &mut dyn Plan,
        batch: &Batch,
        valid: Option<&Batch>,
    ) -> f32 {
        let Self { lane, update, grads } = self;
        if lane.status == LaneStatus::Diverged {
            return f32::NAN;
        }
        let valid = valid.map(|batch| plan.loss(cpu, &lane.params, batch));
        let train = plan.loss_and_grad(cpu, &lane.params, batch, grads);
        if train.is_finite() && valid.is_none_or(f32::is_finite) {
            update.step(Step {
                workers: Workers::one(cpu),
                state: lane.state.view(),
                params: Tensors::joint(&mut lane.params),
                grads: Tensors::joint(grads),
                losses: Losses { train, valid },
                scale: Scale::ONE,
            });
        } else {
            lane.status = LaneStatus::Diverged;
        }
        train
    }

    /// Loss at the current parameters; not finite if the lane has diverged.
    pub(super) fn loss(&self, cpu: Cpu, plan: &mut dyn Plan, batch: &Batch) -> f32 {
        match self.lane.status {
            LaneStatus::Ok => plan.loss(cpu, &self.lane.params, batch),
            LaneStatus::Diverged => f32::NAN,
        }
    }

    /// Share of wrong answers at the current parameters; 1 if the lane has diverged.
    pub(super) fn error_rate(&self, cpu: Cpu, plan: &mut dyn Plan, batch: &Batch) -> f32 {
        match self.lane.status {
            LaneStatus::Ok => plan.error_rate(cpu, &self.lane.params, batch),
            LaneStatus::Diverged => 1.0,
        }
    }
}
