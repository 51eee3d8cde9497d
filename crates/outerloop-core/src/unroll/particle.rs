//! One particle's truncation.

use super::lane::{BoundLane, Lane};
use super::plan::{AdvancePlan, Carry, LaneResult, MetaLoss, ParticlePlan, ParticleResult, Restart};
use super::{JobControl, perturb, truncation};
use crate::error::{Error, Result};
use crate::optim::{Optimizer, Theta};
use crate::rng::{Key, Purpose};
use crate::simd::{Cpu, FlushDenormals};
use crate::task::{Datasets, Task, build_task};
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
    let mut thetas: Vec<Theta> = vec![pos.into(), neg.into()];
    if shared.carry == Carry::Unperturbed {
        thetas.push(theta.into());
    }
    let is_fresh = particle.lanes.is_empty();
    let optimizer = &*shared.optimizer;
    let mut lanes = vec![];
    for (i, theta) in thetas.into_iter().enumerate() {
        let lane = match particle.lanes.get(i).or(particle.lanes.first()) {
            Some(lane) => lane.clone(),
            None => Lane::new(&*particle.task, optimizer, key, particle.problem.num_steps),
        };
        let mut lane = BoundLane::new(lane, &*particle.task, optimizer, theta)?;
        if is_fresh {
            lane.init();
        }
        lanes.push(lane);
    }
    let end = particle.inner_step + plan.truncation_length;
    let losses =
        truncation::run(shared, &*particle.task, key, &mut lanes, particle.inner_step..end, control)?;
    particle.inner_step = end;
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
