//! One particle's truncation.

use super::lane::{BoundLane, Lane};
use super::plan::{AdvancePlan, Carry, LaneResult, MetaLoss, ParticlePlan, ParticleResult, Restart};
use super::{JobControl, LaneStatus, perturb};
use crate::data::Split;
use crate::error::{Error, Result};
use crate::optim::Optimizer;
use crate::rng::{Key, Purpose};
use crate::simd::{Cpu, FlushDenormals};
use crate::task::{Batch, Datasets, Task, build_task};
use std::sync::Arc;

/// What all particles of an unroller share.
pub(super) struct Shared {
    pub(super) cpu: Cpu,
    pub(super) optimizer: Arc<dyn Optimizer>,
    pub(super) datasets: Datasets,
    pub(super) seed: u64,
    pub(super) carry: Carry,
    pub(super) meta_loss: MetaLoss,
}

/// A running inner problem and the lanes kept between truncations: two, or one if the halves start from one state.
#[derive(Clone)]
pub(super) struct Particle {
    pub(super) problem: Restart,
    pub(super) task: Arc<dyn Task>,
    pub(super) inner_step: u64,
    pub(super) lanes: Vec<Lane>,
}

impl Particle {
    /// The problem named by `problem`, without lanes yet.
    pub(super) fn new(problem: Restart, datasets: &Datasets) -> Result<Self> {
        let task = build_task(&problem.task, datasets)?;
        Ok(Self { problem, task, inner_step: 0, lanes: vec![] })
    }

    fn key(&self, seed: u64, particle: u32) -> Key {
        Key::new(seed, Purpose::Unroll).fold(u64::from(particle)).fold(self.problem.episode)
    }
}

/// Runs one truncation; `before` is left as it is.
pub(super) fn advance(
    shared: &Shared,
    before: Option<&Particle>,
    plan: &AdvancePlan,
    part: &ParticlePlan,
    theta: &[f32],
    control: &JobControl,
) -> Result<(Particle, ParticleResult)> {
    let _flush = FlushDenormals::on();
    let mut particle = match (&part.restart, before) {
        (Some(problem), _) => Particle::new(problem.clone(), &shared.datasets)?,
        (None, Some(before)) => before.clone(),
        (None, None) => {
            let message = format!(
                "advance: expected `restart` for particle {}, which has no problem yet",
                part.particle
            );
            return Err(Error::option(message));
        }
    };
    let key = particle.key(shared.seed, part.particle);
    let [pos, neg] = perturb(theta, shared.seed, part.particle, part.perturbation, plan.std as f32);
    let mut thetas: Vec<&[f32]> = vec![&pos, &neg];
    if shared.carry == Carry::Unperturbed {
        thetas.push(theta);
    }
    let is_fresh = particle.lanes.is_empty();
    let optimizer = &*shared.optimizer;
    let mut lanes = vec![];
    for (i, theta) in thetas.into_iter().enumerate() {
        let lane = match particle.lanes.get(i).or(particle.lanes.first()) {
            Some(lane) => lane.clone(),
            None => Lane::new(&*particle.task, optimizer, key),
        };
        let mut lane = BoundLane::new(lane, &*particle.task, optimizer, theta)?;
        if is_fresh {
            lane.init();
        }
        lanes.push(lane);
    }
    let losses = run(shared, &particle, key, &mut lanes, plan.truncation_length, control)?;
    particle.inner_step += plan.truncation_length;
    let result = |i: usize| LaneResult { meta_loss: losses[i], status: lanes[i].lane.status };
    let result = ParticleResult { pos: result(0), neg: result(1) };
    let kept = match shared.carry {
        Carry::Both => 0..2,
        Carry::Pos => 0..1,
        Carry::Unperturbed => 2..3,
    };
    particle.lanes = lanes.into_iter().map(|l| l.lane).skip(kept.start).take(kept.len()).collect();
    Ok((particle, result))
}

/// Steps all lanes together, sharing the minibatches; returns each lane's meta-loss.
fn run(
    shared: &Shared,
    particle: &Particle,
    key: Key,
    lanes: &mut [BoundLane],
    steps: u64,
    control: &JobControl,
) -> Result<Vec<f64>> {
    let (task, cpu) = (&*particle.task, shared.cpu);
    let normalizer = task.spec().normalizer;
    let valid_every = shared.optimizer.valid_every();
    let (mut batch, mut valid, mut outer) = (Batch::default(), Batch::default(), Batch::default());
    let mut plan = task.plan();
    let mut sums = vec![0f64; lanes.len()];
    let mut count = 0u64;
    for t in particle.inner_step..particle.inner_step + steps {
        control.check()?;
        if let MetaLoss::OuterValid { every, batches } = shared.meta_loss
            && t.is_multiple_of(every)
        {
            for i in 0..batches {
                task.sample(cpu, Split::OuterValid, key, t * batches + i, &mut outer);
                for (sum, lane) in sums.iter_mut().zip(lanes.iter()) {
                    *sum += f64::from(normalizer.apply(lane.loss(cpu, &mut *plan, &outer)));
                }
            }
            count += batches;
        }
        task.sample(cpu, Split::Train, key, t, &mut batch);
        let has_valid = valid_every.is_some_and(|every| t.is_multiple_of(every));
        if has_valid {
            task.sample(cpu, Split::InnerValid, key, t, &mut valid);
        }
        for (sum, lane) in sums.iter_mut().zip(lanes.iter_mut()) {
            let loss = lane.step(cpu, &mut *plan, &batch, has_valid.then_some(&valid));
            if matches!(shared.meta_loss, MetaLoss::Train {}) {
                *sum += f64::from(normalizer.apply(loss));
            }
        }
        count += u64::from(matches!(shared.meta_loss, MetaLoss::Train {}));
        control.add(lanes.len() as u64);
    }
    // No evaluation fell into this truncation: its last parameters stand for it.
    if let (0, MetaLoss::OuterValid { batches, .. }) = (count, shared.meta_loss) {
        let t = particle.inner_step + steps;
        for i in 0..batches {
            task.sample(cpu, Split::OuterValid, key, t * batches + i, &mut outer);
            for (sum, lane) in sums.iter_mut().zip(lanes.iter()) {
                *sum += f64::from(normalizer.apply(lane.loss(cpu, &mut *plan, &outer)));
            }
        }
        count = batches;
    }
    Ok(sums.into_iter().map(|sum| sum / count as f64).collect())
}

impl LaneStatus {
    /// Whether the lane diverged.
    pub fn is_diverged(self) -> bool {
        self == Self::Diverged
    }
}
