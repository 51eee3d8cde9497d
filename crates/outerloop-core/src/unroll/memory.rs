//! What inner problems take of memory, worked out before any is begun.

use crate::error::{ErrorCode, Result};
use crate::memory::MemoryLimit;
use crate::optim::Optimizer;
use crate::task::{Datasets, TaskConfig, TaskFootprint};

/// Bytes that an inner problem takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ProblemBytes {
    pub(super) num_params: u64,
    /// The task itself.
    pub(super) task: u64,
    /// Parameters and optimizer state of one lane.
    pub(super) lane: u64,
    /// What a thread needs besides, while it runs the problem.
    pub(super) running: u64,
}

impl ProblemBytes {
    /// Of `task` under `optimizer`, with `num_lanes` lanes that run together.
    pub(super) fn of(
        task: &TaskConfig,
        datasets: &Datasets,
        optimizer: &dyn Optimizer,
        num_lanes: usize,
    ) -> Result<Self> {
        let TaskFootprint { params, task_bytes, scratch_bytes } = TaskFootprint::of(task, datasets)?;
        let state = optimizer.state_layout(&params).map_or(0, |layout| layout.padded_len());
        let floats = 4 * params.padded_len() as u64;
        let lane = floats + 4 * state as u64;
        // A lane under way has gradients, the rule's scratch, about as much again, and theta packed for its kernels.
        let theta = 4 * optimizer.theta_spec().len() as u64;
        let running = scratch_bytes + num_lanes as u64 * (lane + 2 * floats + 2 * theta);
        Ok(Self { num_params: params.flat_len() as u64, task: task_bytes, lane, running })
    }
}

/// Checks that problems fit: `held` bytes stay, and of the `running` ones `threads` run at a time.
pub(super) fn check(
    limit: MemoryLimit,
    held: u64,
    mut running: Vec<ProblemBytes>,
    threads: usize,
) -> Result<()> {
    running.sort_unstable_by_key(|problem| std::cmp::Reverse(problem.running));
    let largest = running.iter().map(|problem| problem.num_params).max().unwrap_or(0);
    let at_a_time = running.iter().take(threads);
    let wanted = at_a_time.fold(held, |sum, problem| sum.saturating_add(problem.running));
    limit.check(ErrorCode::InvalidOption, format!("inner problems of up to {largest} parameters"), wanted)
}
