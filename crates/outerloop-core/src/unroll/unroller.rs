//! All particles of a run, advanced together.

use super::occupancy::Occupancy;
use super::particle::{Advance, Particle, Shared, advance};
use super::plan::{AdvancePlan, Carry, MetaLoss, SegmentResult};
use super::saved::{read, write};
use super::{JobControl, Noise, PerturbationSums, thread_pool};
use crate::error::{Error, Result};
use crate::optim::{OptimizerConfig, Theta, build_optimizer};
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
    /// Leaves of theta that are not perturbed.
    #[serde(default)]
    pub frozen: Vec<String>,
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
        let MetaLoss { every, batches, .. } = options.meta_loss;
        if every == Some(0) || !(1..=1 << 20).contains(&batches) {
            return Err(Error::option(format!(
                "expected `metaLoss.every` to be at least 1 and `metaLoss.batches` to be 1 to 2^20, got {every:?} and {batches}"
            )));
        }
        let optimizer = build_optimizer(&options.optimizer)?;
        let theta = optimizer.theta_spec();
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

    /// Sums of the run's perturbations.
    pub fn perturbation_sums(&self) -> PerturbationSums {
        PerturbationSums::new(self.shared.noise.clone())
    }

    /// Runs one truncation of the planned particles under theta ± ε.
    ///
    /// # Shapes
    /// `theta: f32[theta_length]`; one result per planned segment, in the plan's order.
    /// # Errors
    /// `ShapeMismatch` when `theta` was not made for this optimizer; `InvalidOption` for a plan out of range; `Aborted`
    /// after [`JobControl::cancel`]. After any error all particles are as they were.
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
