//! All particles of a run, advanced together.

use super::particle::{Particle, Shared, advance};
use super::plan::{AdvancePlan, Carry, MetaLoss, ParticleResult};
use super::saved::{read, write};
use super::{JobControl, thread_pool};
use crate::error::{Error, Result};
use crate::optim::{OptimizerConfig, build_optimizer};
use crate::simd::Cpu;
use crate::task::Datasets;
use rayon::prelude::*;
use serde::Deserialize;

/// Most particles an unroller takes.
const MAX_PARTICLES: u32 = 1 << 20;

/// What an unroller is built from, besides data.
#[derive(Clone, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct UnrollerOptions {
    /// The optimizer that the inner problems are trained with.
    pub optimizer: OptimizerConfig,
    /// Names all randomness, below 2⁵³.
    pub seed: u64,
    /// Number of antithetic pairs, 1 to 2²⁰.
    pub num_particles: u32,
    /// Threads of the private pool, 1 to 1,024.
    pub threads: usize,
    /// What a particle keeps after a truncation.
    pub carry: Carry,
    /// What is measured.
    pub meta_loss: MetaLoss,
}

/// Holds the inner problems of a run between truncations.
pub struct Unroller {
    shared: Shared,
    pool: rayon::ThreadPool,
    particles: Vec<Option<Particle>>,
}

impl Unroller {
    /// An unroller without problems; every particle's first plan must restart it.
    /// # Errors
    /// `InvalidOption` if an option is out of range.
    pub fn new(options: &UnrollerOptions, datasets: Datasets, cpu: Cpu) -> Result<Self> {
        if !(1..=MAX_PARTICLES).contains(&options.num_particles) {
            let got = options.num_particles;
            return Err(Error::option(format!(
                "expected `numParticles` to be 1 to {MAX_PARTICLES}, got {got}"
            )));
        }
        if let MetaLoss::OuterValid { every, batches } = options.meta_loss
            && (every == 0 || batches == 0)
        {
            return Err(Error::option(format!(
                "expected `metaLoss.every` and `metaLoss.batches` to be at least 1, got {every} and {batches}"
            )));
        }
        let shared = Shared {
            cpu,
            optimizer: build_optimizer(&options.optimizer)?,
            datasets,
            seed: options.seed,
            carry: options.carry,
            meta_loss: options.meta_loss,
        };
        let particles = vec![None; options.num_particles as usize];
        Ok(Self { shared, pool: thread_pool(options.threads)?, particles })
    }

    /// The pool, for other work of the same run.
    pub fn pool(&self) -> &rayon::ThreadPool {
        &self.pool
    }

    /// Weights of theta.
    pub fn theta_len(&self) -> usize {
        self.shared.optimizer.theta_spec().len()
    }

    /// Runs one truncation of the planned particles under theta ± ε.
    ///
    /// # Shapes
    /// `theta: f32[theta_length]`; one result per planned particle, in the plan's order.
    /// # Errors
    /// `ShapeMismatch` when `theta` was not made for this optimizer; `InvalidOption` for a plan out of range; `Aborted`
    /// after [`JobControl::cancel`]. After any error all particles are as they were.
    pub fn advance(
        &mut self,
        theta: &[f32],
        plan: &AdvancePlan,
        control: &JobControl,
    ) -> Result<Vec<ParticleResult>> {
        self.check(theta, plan)?;
        let (shared, particles) = (&self.shared, &self.particles);
        let outcomes: Result<Vec<_>> = self.pool.install(|| {
            plan.particles
                .par_iter()
                .with_max_len(1)
                .map(|part| {
                    advance(shared, particles[part.particle as usize].as_ref(), plan, part, theta, control)
                })
                .collect()
        });
        let mut results = vec![];
        for (part, (particle, result)) in plan.particles.iter().zip(outcomes?) {
            self.particles[part.particle as usize] = Some(particle);
            results.push(result);
        }
        Ok(results)
    }

    fn check(&self, theta: &[f32], plan: &AdvancePlan) -> Result<()> {
        self.shared.optimizer.theta_spec().check(theta)?;
        if !(1..=1 << 32).contains(&plan.truncation_length) {
            let got = plan.truncation_length;
            return Err(Error::option(format!(
                "advance: expected `truncationLength` to be 1 to 2^32, got {got}"
            )));
        }
        if !(plan.std > 0.0 && plan.std.is_finite()) {
            return Err(Error::option(format!(
                "advance: expected `std` to be finite and > 0, got {}",
                plan.std
            )));
        }
        let mut planned = vec![false; self.particles.len()];
        for part in &plan.particles {
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
        Ok(())
    }

    /// All that a later [`Unroller::load_state`] needs: a JSON description, and the numbers.
    pub fn save_state(&self) -> (String, Vec<f32>) {
        write(&self.particles)
    }

    /// Takes up a saved state of an unroller with the same options and data.
    /// # Errors
    /// `CheckpointInvalid` if the state does not fit; the unroller is then as it was.
    pub fn load_state(&mut self, description: &str, numbers: &[f32]) -> Result<()> {
        let num_lanes = if self.shared.carry == Carry::Both { 2 } else { 1 };
        self.particles = read(&self.shared, self.particles.len(), num_lanes, description, numbers)?;
        Ok(())
    }
}
