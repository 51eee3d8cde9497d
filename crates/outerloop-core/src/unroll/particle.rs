//! One particle's truncation.

use super::lane::{BoundLane, Lane};
use super::memory::ProblemBytes;
use super::plan::{Carry, LaneResult, ParticlePlan, Restart, Segment, SegmentResult, Target};
use super::shared::{Advance, Shared};
use super::truncation;
use crate::error::{Error, Result};
use crate::optim::Theta;
use crate::rng::{Key, Purpose};
use crate::simd::FlushDenormals;
use crate::task::{Task, build_task};
use std::sync::Arc;

/// A running inner problem and the lanes kept between truncations: two, or one if the halves start from one state.
#[derive(Clone)]
pub(super) struct Particle {
    pub(super) problem: Restart,
    pub(super) task: Arc<dyn Task>,
    pub(super) inner_step: u64,
    pub(super) lanes: Vec<Lane>,
    /// What it takes of memory.
    pub(super) bytes: ProblemBytes,
}

impl Particle {
    /// The problem named by `problem`, without lanes yet.
    pub(super) fn new(problem: Restart, shared: &Shared) -> Result<Self> {
        let bytes = shared.bytes(&problem.task)?;
        let task = build_task(&problem.task, &shared.datasets)?;
        if shared.meta_loss.target == Target::ErrorRate && !task.has_answers() {
            let got = serde_json::to_string(&problem.task).unwrap_or_default();
            return Err(Error::option(format!(
                "advance: expected a classification for the meta-loss target `errorRate`, got {got}"
            )));
        }
        Ok(Self { problem, task, inner_step: 0, lanes: vec![], bytes })
    }

    fn key(&self, seed: u64, particle: u32) -> Key {
        Key::new(seed, Purpose::Unroll).fold(u64::from(particle)).fold(self.problem.episode)
    }
}

/// Runs the segments of a plan one after the other; `before` is left as it is.
pub(super) fn advance(
    call: &Advance<'_>,
    before: Option<&Particle>,
    part: &ParticlePlan,
) -> Result<(Particle, Vec<SegmentResult>)> {
    call.occupancy.begin();
    let _flush = FlushDenormals::on();
    let advanced = segments(call, before, part);
    call.occupancy.end();
    advanced
}

fn segments(
    call: &Advance<'_>,
    before: Option<&Particle>,
    part: &ParticlePlan,
) -> Result<(Particle, Vec<SegmentResult>)> {
    let mut particle = before.cloned();
    let mut results = vec![];
    for segment in &part.segments {
        if let Some(problem) = &segment.restart {
            particle = Some(Particle::new(problem.clone(), call.shared)?);
        }
        let Some(running) = &mut particle else {
            let message = format!(
                "advance: expected `restart` for particle {}, which has no problem yet",
                part.particle
            );
            return Err(Error::option(message));
        };
        results.push(running.run(call, part.particle, segment)?);
    }
    // A plan has at least one segment, so there is a problem.
    particle.map(|particle| (particle, results)).ok_or_else(|| Error::option("advance: expected a segment"))
}

impl Particle {
    /// Runs one segment of the problem.
    fn run(&mut self, call: &Advance<'_>, particle: u32, segment: &Segment) -> Result<SegmentResult> {
        let Advance { shared, ref theta, std, .. } = *call;
        let key = self.key(shared.seed, self.problem.instance.unwrap_or(particle));
        let [pos, neg]: [Theta; 2] = match segment.perturbation {
            Some(number) => shared.noise.perturb(theta, particle, number, std as f32).map(Theta::from),
            None => [theta.clone(), theta.clone()],
        };
        let mut thetas = vec![pos, neg];
        if shared.carry == Carry::Unperturbed {
            thetas.push(theta.clone());
        }
        let is_fresh = self.lanes.is_empty();
        let optimizer = &*shared.optimizer;
        let mut before = std::mem::take(&mut self.lanes);
        if is_fresh {
            before.push(Lane::new(&*self.task, optimizer, key, self.problem.num_steps));
        }
        while before.len() < thetas.len() {
            before.push(before[0].clone());
        }
        let mut lanes = vec![];
        for (lane, theta) in before.into_iter().zip(thetas) {
            let mut lane = BoundLane::new(lane, &*self.task, optimizer, theta)?;
            if is_fresh {
                lane.init();
            }
            lanes.push(lane);
        }
        let end = self.inner_step + segment.inner_steps;
        let mut problem = truncation::Problem::new(call, &*self.task, key);
        let losses = problem.run(&mut lanes, self.inner_step..end)?;
        self.inner_step = end;
        let result = |i: usize| LaneResult { meta_loss: losses[i], status: lanes[i].lane.status };
        let result = SegmentResult { pos: result(0), neg: result(1) };
        let kept = match shared.carry {
            Carry::Both => 0..2,
            Carry::Pos => 0..1,
            Carry::Unperturbed => 2..3,
        };
        self.lanes = lanes.into_iter().map(|l| l.lane).skip(kept.start).take(kept.len()).collect();
        Ok(result)
    }
}
