//! What the outer loop asks of the unroller, and what comes back.

use super::LaneStatus;
use crate::task::TaskConfig;
use serde::{Deserialize, Serialize};

/// One truncation of every particle.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AdvancePlan {
    /// Inner steps of every lane, at least 1.
    pub truncation_length: u64,
    /// Standard deviation of the perturbations, above 0.
    pub std: f64,
    /// Particles to advance; each number at most once.
    pub particles: Vec<ParticlePlan>,
}

/// One particle's part of a plan.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ParticlePlan {
    /// Number of the particle.
    pub particle: u32,
    /// Number of the perturbation within the particle's stream.
    pub perturbation: u64,
    /// A new inner problem; needed at a particle's first truncation.
    #[serde(default)]
    pub restart: Option<Restart>,
}

/// A new inner problem of a particle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Restart {
    /// The problem.
    pub task: TaskConfig,
    /// Number of the problem within the particle: names its randomness.
    pub episode: u64,
    /// Inner steps that the problem lasts: what the optimizer is told.
    pub num_steps: u64,
}

/// Which state a particle keeps after a truncation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Carry {
    /// Each half its own (PES).
    Both,
    /// That of a third lane under the unperturbed theta (truncated ES without bias; half as much work again).
    Unperturbed,
    /// That of the positive half (truncated ES as published).
    Pos,
}

/// What the outer loop minimises, before the task's normaliser.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(tag = "source", rename_all = "camelCase", deny_unknown_fields)]
pub enum MetaLoss {
    /// Mean over the truncation of the train loss before each update.
    Train {},
    /// Mean over every `every`-th step of the loss of `batches` outer-validation minibatches.
    OuterValid {
        /// Inner steps from one evaluation to the next, at least 1.
        every: u64,
        /// Minibatches an evaluation, at least 1.
        batches: u64,
    },
}

/// One half's outcome.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LaneResult {
    /// Mean normalised loss; not finite only where the task has no clipping normaliser.
    pub meta_loss: f64,
    /// Whether the lane diverged.
    pub status: LaneStatus,
}

/// One particle's outcome.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParticleResult {
    /// Under theta + ε.
    pub pos: LaneResult,
    /// Under theta − ε.
    pub neg: LaneResult,
}
