//! What the particles of an unroller share, for good and during a call.

use super::memory::ProblemBytes;
use super::occupancy::Occupancy;
use super::plan::{Carry, MetaLoss};
use super::{JobControl, Noise};
use crate::error::Result;
use crate::memory::MemoryLimit;
use crate::optim::{Optimizer, Theta};
use crate::simd::Cpu;
use crate::task::{Datasets, TaskConfig};
use std::sync::Arc;

/// What all particles of an unroller share.
pub(super) struct Shared {
    pub(super) cpu: Cpu,
    pub(super) optimizer: Arc<dyn Optimizer>,
    pub(super) datasets: Datasets,
    pub(super) seed: u64,
    pub(super) noise: Noise,
    pub(super) carry: Carry,
    pub(super) meta_loss: MetaLoss,
    pub(super) memory: MemoryLimit,
}

impl Shared {
    /// Lanes that a particle runs: two halves, and the one that is carried on where that is neither.
    fn num_running(&self) -> usize {
        if self.carry == Carry::Unperturbed { 3 } else { 2 }
    }

    /// Lanes that a particle keeps.
    pub(super) fn num_kept(&self) -> usize {
        if self.carry == Carry::Both { 2 } else { 1 }
    }

    /// What a problem of `task` takes.
    pub(super) fn bytes(&self, task: &TaskConfig) -> Result<ProblemBytes> {
        ProblemBytes::of(task, &self.datasets, &*self.optimizer, self.num_running())
    }
}

/// One call of [`Unroller::advance`](super::Unroller::advance): what its particles share beyond that.
pub(super) struct Advance<'a> {
    pub(super) shared: &'a Shared,
    pub(super) theta: Theta,
    pub(super) std: f64,
    pub(super) control: &'a JobControl,
    pub(super) occupancy: Occupancy,
}
