//! What the outer loop asks of the unroller, and what comes back.

use super::LaneStatus;
use crate::task::TaskConfig;
use serde::{Deserialize, Serialize};

/// One truncation of every particle.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AdvancePlan {
    /// Standard deviation of the perturbations, above 0.
    pub std: f64,
    /// Particles to advance; each number at most once.
    pub particles: Vec<ParticlePlan>,
}

/// One particle's part of a plan.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ParticlePlan {
    /// Number of the particle.
    pub particle: u32,
    /// What it does, one after the other; at least one.
    pub segments: Vec<Segment>,
}

impl ParticlePlan {
    /// A truncation of one segment under perturbation number `perturbation`.
    pub fn simple(particle: u32, inner_steps: u64, perturbation: u64, restart: Option<Restart>) -> Self {
        Self { particle, segments: vec![Segment { inner_steps, perturbation: Some(perturbation), restart }] }
    }
}

/// Inner steps under one perturbation, measured together.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Segment {
    /// Inner steps of every lane, 1 to 2³².
    #[cfg_attr(test, ts(type = "number"))]
    pub inner_steps: u64,
    /// Number of the perturbation within the particle's stream; none: all lanes run under theta itself.
    #[serde(default)]
    #[cfg_attr(test, ts(optional, type = "number"))]
    pub perturbation: Option<u64>,
    /// A new inner problem to begin with; needed where a particle has none yet.
    #[serde(default)]
    #[cfg_attr(test, ts(optional))]
    pub restart: Option<Restart>,
}

/// A new inner problem of a particle.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Restart {
    /// The problem.
    #[cfg_attr(test, ts(type = "TaskConfig"))]
    pub task: TaskConfig,
    /// Number of the problem within the particle: names its randomness.
    #[cfg_attr(test, ts(type = "number"))]
    pub episode: u64,
    /// Inner steps that the problem lasts: what the optimizer is told.
    #[cfg_attr(test, ts(type = "number"))]
    pub num_steps: u64,
    /// The particle whose randomness the problem has; none: its own. Particles that share one differ in their
    /// perturbations alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(test, ts(optional))]
    pub instance: Option<u32>,
}

/// Which state a particle keeps after a truncation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum Carry {
    /// Each half its own (PES).
    Both,
    /// That of a third lane under the unperturbed theta (truncated ES without bias; half as much work again).
    Unperturbed,
    /// That of the positive half (truncated ES as published).
    Pos,
}

/// What the outer loop minimises.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MetaLoss {
    /// Where losses come from.
    pub source: LossSource,
    /// What of a minibatch is taken.
    #[serde(default)]
    #[cfg_attr(test, ts(optional, as = "Option<Target>"))]
    pub target: Target,
    /// Inner steps from one measurement to the next, 1 to 1,000,000; none: one at the end of every segment. `Train` is measured
    /// at every step.
    #[serde(default)]
    #[cfg_attr(test, ts(optional, type = "number"))]
    pub every: Option<u64>,
    /// Minibatches a measurement, 1 to 1,000,000. `Train` and `SameData` have one.
    #[serde(default = "one")]
    #[cfg_attr(test, ts(optional, as = "Option<f64>"))]
    pub batches: u64,
    /// How the measurements of a segment become one number.
    #[serde(default)]
    #[cfg_attr(test, ts(optional, as = "Option<Reduce>"))]
    pub reduce: Reduce,
}

impl MetaLoss {
    /// Largest [`MetaLoss::every`] and [`MetaLoss::batches`].
    pub const MOST: u64 = 1_000_000;

    /// Mean over a segment of the train loss before each update.
    pub const TRAIN: Self = Self {
        source: LossSource::Train,
        target: Target::Loss,
        every: Some(1),
        batches: 1,
        reduce: Reduce::Mean,
    };
}

fn one() -> u64 {
    1
}

/// Where measured losses come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum LossSource {
    /// The training minibatch, before the update: costs nothing.
    Train,
    /// The training minibatch, after the update.
    SameData,
    /// Further minibatches of the train split, after an update.
    FreshTrain,
    /// Minibatches of the inner-validation split, after an update.
    InnerValid,
    /// Minibatches of the outer-validation split, after an update.
    OuterValid,
    /// Minibatches of the test split, after an update.
    Test,
}

/// What is measured on a minibatch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum Target {
    /// The loss, through the task's normaliser.
    #[default]
    Loss,
    /// The share of wrong answers, of tasks that have answers.
    ErrorRate,
}

/// How the measurements of a segment become one number.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase")]
pub enum Reduce {
    /// Their mean.
    #[default]
    Mean,
    /// The least; not a number if any is not.
    Min,
    /// The last.
    Last,
}

/// One half's outcome.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LaneResult {
    /// The segment's meta-loss; not finite only where the task has no clipping normaliser.
    pub meta_loss: f64,
    /// Whether the lane has diverged.
    pub status: LaneStatus,
}

/// One segment's outcome.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SegmentResult {
    /// Under theta + ε.
    pub pos: LaneResult,
    /// Under theta − ε.
    pub neg: LaneResult,
}
