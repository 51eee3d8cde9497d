//! Whole training runs with evaluations along the way.

use super::lane::{BoundLane, Lane};
use super::memory::{self, ProblemBytes};
use super::{JobControl, LaneStatus};
use crate::data::Split;
use crate::error::{Error, Result};
use crate::memory::MemoryLimit;
use crate::optim::{Optimizer, Theta};
use crate::rng::{Key, Purpose};
use crate::simd::{Cpu, FlushDenormals};
use crate::task::{Batch, Datasets, Task, TaskConfig, build_task};
use crate::zoo::{OptimizerConfig, build_optimizer};
use rayon::prelude::*;
use serde::Deserialize;

/// Minibatch numbers of evaluations start here, beyond those of training.
const EVALUATION_BATCHES: u64 = 1 << 40;

/// One training run.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CurveJob {
    /// The inner problem.
    #[cfg_attr(test, ts(type = "TaskConfig"))]
    pub task: TaskConfig,
    /// What trains it.
    #[cfg_attr(test, ts(type = "OptimizerConfig"))]
    pub optimizer: OptimizerConfig,
    /// Which theta, for a learned optimizer.
    #[serde(default)]
    #[cfg_attr(test, ts(optional, type = "number"))]
    pub theta: Option<usize>,
    /// Names the randomness, with `replica`.
    #[cfg_attr(test, ts(type = "number"))]
    pub seed: u64,
    /// Runs of one seed and task that differ in initial parameters and minibatches.
    #[cfg_attr(test, ts(type = "number"))]
    pub replica: u64,
    /// Updates, at least 1.
    #[cfg_attr(test, ts(type = "number"))]
    pub inner_steps: u64,
    /// Inner steps from one evaluation to the next, at least 1.
    #[cfg_attr(test, ts(type = "number"))]
    pub eval_every: u64,
    /// Minibatches an evaluation averages, at least 1.
    #[cfg_attr(test, ts(type = "number"))]
    pub eval_batches: u64,
    /// What is evaluated.
    pub splits: Vec<Split>,
}

/// Mean losses at one inner step, in the order of the job's splits.
#[derive(Clone, Debug, PartialEq)]
pub struct CurvePoint {
    /// Updates done before.
    pub inner_step: u64,
    /// Infinite once the run has diverged.
    pub losses: Vec<f64>,
}

/// A finished run.
#[derive(Clone, Debug, PartialEq)]
pub struct Curve {
    /// Evaluations at steps 0, `eval_every`, … and at the end.
    pub points: Vec<CurvePoint>,
    /// Mean over the run of the normalised minibatch loss before each update.
    pub mean_train_loss: f64,
    /// Whether it diverged.
    pub status: LaneStatus,
}

/// Runs all jobs on `pool`; results are in the jobs' order and do not depend on the number of threads.
/// # Errors
/// `InvalidOption` if a job is out of range, or the jobs that run at a time take more memory than `limit`; `ShapeMismatch` if a theta does not fit; `Aborted` when cancelled.
pub fn run_curves(
    jobs: &[CurveJob],
    thetas: &[Theta],
    datasets: &Datasets,
    pool: &rayon::ThreadPool,
    cpu: Cpu,
    limit: MemoryLimit,
    control: &JobControl,
) -> Result<Vec<Curve>> {
    check_memory(jobs, thetas, datasets, pool.current_num_threads(), limit)?;
    pool.install(|| {
        jobs.par_iter().with_max_len(1).map(|job| run_curve(job, thetas, datasets, cpu, control)).collect()
    })
}

/// Bytes of a point of a curve besides its losses, in here and on its way out.
const POINT_BYTES: u64 = 64;

fn check_memory(
    jobs: &[CurveJob],
    thetas: &[Theta],
    datasets: &Datasets,
    threads: usize,
    limit: MemoryLimit,
) -> Result<()> {
    let mut held = datasets.memory_bytes() + thetas.iter().map(|theta| 4 * theta.len() as u64).sum::<u64>();
    let mut running = vec![];
    for job in jobs {
        check_ranges(job)?;
        let points = job.inner_steps.div_ceil(job.eval_every) + 1;
        held = held.saturating_add(points.saturating_mul(POINT_BYTES + 16 * job.splits.len() as u64));
        let optimizer = build_optimizer(&job.optimizer)?;
        let ProblemBytes { num_params, task, lane, running: scratch } =
            ProblemBytes::of(&job.task, datasets, &*optimizer, 1)?;
        // A lane is not kept here, and is counted with what runs.
        running.push(ProblemBytes { num_params, task: 0, lane, running: task.saturating_add(scratch) });
    }
    memory::check(limit, held, running, threads)
}

fn check_ranges(job: &CurveJob) -> Result<()> {
    for (name, value) in
        [("innerSteps", job.inner_steps), ("evalEvery", job.eval_every), ("evalBatches", job.eval_batches)]
    {
        if !(1..=1 << 32).contains(&value) {
            return Err(Error::option(format!("run: expected `{name}` to be 1 to 2^32, got {value}")));
        }
    }
    Ok(())
}

fn run_curve(
    job: &CurveJob,
    thetas: &[Theta],
    datasets: &Datasets,
    cpu: Cpu,
    control: &JobControl,
) -> Result<Curve> {
    let optimizer = build_optimizer(&job.optimizer)?;
    let theta = match job.theta {
        None => Theta::from([]),
        Some(i) => thetas.get(i).cloned().ok_or_else(|| {
            Error::option(format!("run: expected `theta` to be below {}, got {i}", thetas.len()))
        })?,
    };
    let _flush = FlushDenormals::on();
    let task = build_task(&job.task, datasets)?;
    let key = Key::new(job.seed, Purpose::Evaluation).fold(job.replica);
    let lane = Lane::new(&*task, &*optimizer, key, job.inner_steps);
    let mut lane = BoundLane::new(lane, &*task, &*optimizer, theta)?;
    lane.init();
    train(job, &*task, &*optimizer, key, lane, cpu, control)
}

fn train(
    job: &CurveJob,
    task: &dyn Task,
    optimizer: &dyn Optimizer,
    key: Key,
    mut lane: BoundLane,
    cpu: Cpu,
    control: &JobControl,
) -> Result<Curve> {
    let mut plan = task.plan();
    let (mut batch, mut valid) = (Batch::default(), Batch::default());
    let normalizer = task.spec().normalizer;
    let mut points: Vec<CurvePoint> = vec![];
    let mut sum = 0.0;
    for t in 0..=job.inner_steps {
        control.check()?;
        if t.is_multiple_of(job.eval_every) || t == job.inner_steps {
            let mut losses = vec![];
            for &split in &job.splits {
                let mut total = 0.0;
                for i in 0..job.eval_batches {
                    let number = EVALUATION_BATCHES + points.len() as u64 * job.eval_batches + i;
                    task.sample(cpu, split, key, number, &mut valid);
                    total += f64::from(lane.loss(cpu, &mut *plan, &valid));
                }
                let mean = total / job.eval_batches as f64;
                losses.push(if mean.is_finite() { mean } else { f64::INFINITY });
            }
            points.push(CurvePoint { inner_step: t, losses });
        }
        if t == job.inner_steps {
            break;
        }
        task.sample(cpu, Split::Train, key, t, &mut batch);
        let has_valid = optimizer.needs().valid_every.is_some_and(|every| t.is_multiple_of(every));
        if has_valid {
            task.sample(cpu, Split::InnerValid, key, t, &mut valid);
        }
        let loss = lane.step(cpu, &mut *plan, &batch, has_valid.then_some(&valid));
        sum += f64::from(normalizer.apply(loss));
        control.add(1);
    }
    Ok(Curve { points, mean_train_loss: sum / job.inner_steps as f64, status: lane.lane.status })
}
