//! All particles of a run, advanced together.

use super::memory::{self, ProblemBytes};
use super::occupancy::Occupancy;
use super::particle::{Particle, advance};
use super::plan::{AdvancePlan, Carry, MetaLoss, SegmentResult};
use super::saved::{read, write};
use super::shared::{Advance, Shared};
use super::{JobControl, Noise, PerturbationSums, thread_pool};
use crate::error::{Error, ErrorCode, Result};
use crate::memory::MemoryLimit;
use crate::optim::Theta;
use crate::simd::Cpu;
use crate::task::Datasets;
use crate::zoo::{OptimizerConfig, build_optimizer};
use rayon::prelude::*;
use serde::Deserialize;

/// Most particles an unroller takes.
const MAX_PARTICLES: u32 = 1 << 20;

/// What an unroller is built from, besides data.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UnrollerOptions {
    /// The optimizer that the inner problems are trained with.
    #[cfg_attr(test, ts(type = "OptimizerConfig"))]
    pub optimizer: OptimizerConfig,
    /// Names all randomness, below 2⁵³.
    #[cfg_attr(test, ts(type = "number"))]
    pub seed: u64,
    /// Number of antithetic pairs, 1 to 2²⁰.
    pub num_particles: u32,
    /// Threads of the private pool, 1 to 1,024.
    #[cfg_attr(test, ts(type = "number"))]
    pub threads: usize,
    /// What a particle keeps after a truncation.
    pub carry: Carry,
    /// What is measured.
    pub meta_loss: MetaLoss,
    /// Leaves of theta that are not perturbed.
    #[cfg_attr(test, ts(optional, as = "Option<Vec<String>>"))]
    #[serde(default)]
    pub frozen: Vec<String>,
    /// Most bytes that data sets, theta's perturbations and inner problems may take. Default 8 GiB.
    #[serde(default)]
    #[cfg_attr(test, ts(optional, as = "Option<f64>"))]
    pub max_memory_bytes: MemoryLimit,
}

/// Holds the inner problems of a run between truncations.
pub struct Unroller {
    shared: Shared,
    pool: rayon::ThreadPool,
    particles: Vec<Option<Particle>>,
    /// Bytes that data sets and theta take.
    held: u64,
}

impl Unroller {
    /// An unroller without problems; every particle's first plan must restart it.
    /// # Errors
    /// `InvalidOption` if an option is out of range, or data sets and theta take more than `max_memory_bytes`.
    pub fn new(options: &UnrollerOptions, datasets: Datasets, cpu: Cpu) -> Result<Self> {
        if !(1..=MAX_PARTICLES).contains(&options.num_particles) {
            let got = options.num_particles;
            return Err(Error::option(format!(
                "expected `numParticles` to be 1 to {MAX_PARTICLES}, got {got}"
            )));
        }
        let MetaLoss { every, batches, .. } = options.meta_loss;
        for (name, value) in [("every", every.unwrap_or(1)), ("batches", batches)] {
            if !(1..=MetaLoss::MOST).contains(&value) {
                let most = MetaLoss::MOST;
                return Err(Error::option(format!(
                    "expected `metaLoss.{name}` to be 1 to {most}, got {value}"
                )));
            }
        }
        let optimizer = build_optimizer(&options.optimizer)?;
        let theta = optimizer.theta_spec();
        // What is made of theta: both halves and their noise on every thread, and a sum of noise for every particle.
        let thetas = u64::from(options.num_particles) + 4 * options.threads as u64;
        let held = datasets.memory_bytes() + thetas.saturating_mul(4 * theta.len() as u64);
        let subject = format!("data sets and {thetas} perturbations of {} weights", theta.len());
        options.max_memory_bytes.check(ErrorCode::InvalidOption, subject, held)?;
        let frozen: Result<Vec<_>> = options.frozen.iter().map(|name| theta.find(name)).collect();
        let noise = Noise::new(cpu, options.seed, theta.len(), frozen?);
        let shared = Shared {
            cpu,
            optimizer,
            datasets,
            seed: options.seed,
            noise,
            carry: options.carry,
            meta_loss: options.meta_loss,
            memory: options.max_memory_bytes,
        };
        let particles = vec![None; options.num_particles as usize];
        Ok(Self { shared, pool: thread_pool(options.threads)?, particles, held })
    }

    /// The pool, for other work of the same run.
    pub fn pool(&self) -> &rayon::ThreadPool {
        &self.pool
    }

    /// Weights of theta.
    pub fn theta_len(&self) -> usize {
        self.shared.optimizer.theta_spec().len()
    }

    /// Sums of the run's perturbations.
    pub fn perturbation_sums(&self) -> PerturbationSums {
        PerturbationSums::new(self.shared.noise.clone())
    }

    /// Runs one truncation of the planned particles under theta ± ε.
    ///
    /// # Shapes
    /// `theta: f32[theta_length]`; one result per planned segment, in the plan's order.
    /// # Errors
    /// `ShapeMismatch` when `theta` was not made for this optimizer; `InvalidOption` for a plan out of range, or
    /// one whose problems take more memory than the options allow; `Aborted` after [`JobControl::cancel`]. After any
    /// error all particles are as they were.
    pub fn advance(
        &mut self,
        theta: &[f32],
        plan: &AdvancePlan,
        control: &JobControl,
    ) -> Result<Vec<SegmentResult>> {
        self.check(theta, plan)?;
        let occupancy = Occupancy::new(self.pool.current_num_threads(), plan.particles.len());
        let call =
            Advance { shared: &self.shared, theta: Theta::from(theta), std: plan.std, control, occupancy };
        let particles = &self.particles;
        let outcomes: Result<Vec<_>> = self.pool.install(|| {
            plan.particles
                .par_iter()
                .with_max_len(1)
                .map(|part| advance(&call, particles[part.particle as usize].as_ref(), part))
                .collect()
        });
        let mut results = vec![];
        for (part, (particle, of_segments)) in plan.particles.iter().zip(outcomes?) {
            self.particles[part.particle as usize] = Some(particle);
            results.extend(of_segments);
        }
        Ok(results)
    }

    fn check(&self, theta: &[f32], plan: &AdvancePlan) -> Result<()> {
        self.shared.optimizer.theta_spec().check(theta)?;
        if !(plan.std > 0.0 && plan.std.is_finite()) {
            return Err(Error::option(format!(
                "advance: expected `std` to be finite and > 0, got {}",
                plan.std
            )));
        }
        let mut planned = vec![false; self.particles.len()];
        for part in &plan.particles {
            let lengths = part.segments.iter().map(|segment| segment.inner_steps);
            if part.segments.is_empty() || lengths.clone().any(|steps| !(1..=1 << 32).contains(&steps)) {
                let got: Vec<u64> = lengths.collect();
                return Err(Error::option(format!(
                    "advance: expected particle {} to have segments with `innerSteps` of 1 to 2^32, got {got:?}",
                    part.particle
                )));
            }
            match planned.get_mut(part.particle as usize) {
                Some(seen) if !*seen => *seen = true,
                _ => {
                    return Err(Error::option(format!(
                        "advance: expected each particle below {} once, got {}",
                        self.particles.len(),
                        part.particle
                    )));
                }
            }
        }
        self.check_memory(plan)
    }

    /// Particles are advanced on copies, so that there are those before and those after.
    fn check_memory(&self, plan: &AdvancePlan) -> Result<()> {
        let lanes = self.shared.num_kept() as u64;
        let kept = |problem: &ProblemBytes| problem.task + lanes * problem.lane;
        let mut held = self.held + self.particles.iter().flatten().map(|p| kept(&p.bytes)).sum::<u64>();
        let mut running = vec![];
        for part in &plan.particles {
            let mut largest = ProblemBytes::default();
            if let Some(particle) = &self.particles[part.particle as usize] {
                largest = particle.bytes;
            }
            for restart in part.segments.iter().filter_map(|segment| segment.restart.as_ref()) {
                let bytes = self.shared.bytes(&restart.task)?;
                if kept(&bytes).saturating_add(bytes.running) > kept(&largest).saturating_add(largest.running)
                {
                    largest = bytes;
                }
            }
            held = held.saturating_add(kept(&largest));
            running.push(largest);
        }
        memory::check(self.shared.memory, held, running, self.pool.current_num_threads())
    }

    /// All that a later [`Unroller::load_state`] needs: a JSON description, and the numbers.
    pub fn save_state(&self) -> (String, Vec<f32>) {
        write(&self.particles)
    }

    /// Takes up a saved state of an unroller with the same options and data.
    /// # Errors
    /// `CheckpointInvalid` if the state does not fit; the unroller is then as it was.
    pub fn load_state(&mut self, description: &str, numbers: &[f32]) -> Result<()> {
        let num_lanes = self.shared.num_kept();
        self.particles = read(&self.shared, self.particles.len(), num_lanes, description, numbers)?;
        Ok(())
    }
}
