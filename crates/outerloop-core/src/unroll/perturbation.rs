//! Noise on theta, made from keys wherever it is needed and never shipped.

use crate::error::{Error, Result};
use crate::rng::{Key, Purpose};
use rayon::prelude::*;
use serde::Deserialize;

fn key(seed: u64, particle: u32, perturbation: u64) -> Key {
    Key::new(seed, Purpose::Perturbation).fold(u64::from(particle)).fold(perturbation)
}

/// (theta + ε, theta − ε) with ε ~ N(0, std²) named by (seed, particle, perturbation).
pub fn perturb(theta: &[f32], seed: u64, particle: u32, perturbation: u64, std: f32) -> [Vec<f32>; 2] {
    let mut noise = vec![0.0; theta.len()];
    key(seed, particle, perturbation).fill_normal(&mut noise);
    let shifted = |sign: f32| theta.iter().zip(&noise).map(|(t, z)| t + sign * (std * z)).collect();
    [shifted(1.0), shifted(-1.0)]
}

/// One particle's share of a gradient: `weight` times the sum of its perturbations `first..=last`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PerturbationTerm {
    /// Number of the particle.
    pub particle: u32,
    /// First perturbation of the sum.
    pub first: u64,
    /// Last perturbation of the sum.
    pub last: u64,
    /// Factor, finite.
    pub weight: f64,
}

/// Weighted sums of perturbations, for the gradients of evolution strategies.
///
/// Sums that grow by one perturbation a call, as those of PES do, are remembered: a cache, not state. A sum adds its
/// perturbations in order in f32 whether it was remembered or not, so the result is a function of the terms alone.
pub struct PerturbationSums {
    seed: u64,
    theta_len: usize,
    remembered: Vec<Remembered>,
}

#[derive(Clone, Default)]
struct Remembered {
    span: Option<(u64, u64)>,
    sum: Vec<f32>,
}

impl Remembered {
    fn reach(&mut self, seed: u64, theta_len: usize, term: &PerturbationTerm) {
        let from = match self.span {
            Some((first, last)) if first == term.first && last <= term.last => last + 1,
            _ => {
                self.sum = vec![0.0; theta_len];
                term.first
            }
        };
        let mut noise = vec![0.0; theta_len];
        for perturbation in from..=term.last {
            key(seed, term.particle, perturbation).fill_normal(&mut noise);
            self.sum.iter_mut().zip(&noise).for_each(|(sum, z)| *sum += z);
        }
        self.span = Some((term.first, term.last));
    }
}

impl PerturbationSums {
    /// For thetas of `theta_len` weights under the run's `seed`.
    pub fn new(seed: u64, theta_len: usize) -> Self {
        Self { seed, theta_len, remembered: vec![] }
    }

    /// `std · Σ_terms weight · Σ_k ε_k` with unit perturbations ε, added in the order of the terms in f64.
    /// # Errors
    /// `InvalidOption` if a particle appears twice or is above 2²⁰, a span is empty or a weight is not finite.
    pub fn weighted(
        &mut self,
        pool: &rayon::ThreadPool,
        std: f64,
        terms: &[PerturbationTerm],
    ) -> Result<Vec<f32>> {
        let mut seen = vec![];
        for term in terms {
            let ok = term.particle < 1 << 20 && term.first <= term.last && term.weight.is_finite();
            if !ok || seen.contains(&term.particle) {
                return Err(Error::option(format!(
                    "perturbation sum: expected terms of different particles with first <= last and a finite weight, got {term:?}"
                )));
            }
            seen.push(term.particle);
            if self.remembered.len() <= term.particle as usize {
                self.remembered.resize(term.particle as usize + 1, Remembered::default());
            }
        }
        let (seed, theta_len) = (self.seed, self.theta_len);
        pool.install(|| {
            self.remembered.par_iter_mut().enumerate().for_each(|(particle, remembered)| {
                if let Some(term) = terms.iter().find(|t| t.particle as usize == particle) {
                    remembered.reach(seed, theta_len, term);
                }
            });
        });
        let mut total = vec![0f64; theta_len];
        for term in terms {
            let sum = &self.remembered[term.particle as usize].sum;
            total.iter_mut().zip(sum).for_each(|(t, &s)| *t += term.weight * f64::from(s));
        }
        Ok(total.into_iter().map(|t| (std * t) as f32).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unroll::thread_pool;

    fn term(particle: u32, first: u64, last: u64, weight: f64) -> PerturbationTerm {
        PerturbationTerm { particle, first, last, weight }
    }

    /// The sums are those of the very noise that `perturb` adds: recovered from it to f32 rounding.
    #[test]
    fn sums_are_of_the_noise_that_was_added() {
        let (pool, n, std) = (thread_pool(2).expect("pool"), 50, 0.25);
        let sum = PerturbationSums::new(9, n)
            .weighted(&pool, std, &[term(3, 1, 2, 2.0), term(0, 7, 7, -1.0)])
            .expect("valid terms");
        let noise = |particle, index| perturb(&vec![0.0; n], 9, particle, index, std as f32);
        for (j, got) in sum.iter().enumerate() {
            let want = 2.0 * (noise(3, 1)[0][j] + noise(3, 2)[0][j]) - noise(0, 7)[0][j];
            assert!((got - want).abs() < 1e-5, "{j}");
            assert_eq!(noise(3, 1)[0][j], -noise(3, 1)[1][j]);
        }
    }

    #[test]
    fn remembering_does_not_change_bits() {
        let pool = thread_pool(1).expect("pool");
        let mut growing = PerturbationSums::new(1, 33);
        for last in 0..6 {
            let terms = [term(0, 0, last, 1.0), term(1, last / 2, last, 0.3)];
            let fresh = PerturbationSums::new(1, 33).weighted(&pool, 0.1, &terms).expect("valid");
            assert_eq!(growing.weighted(&pool, 0.1, &terms).expect("valid"), fresh);
        }
        assert!(growing.weighted(&pool, 0.1, &[term(0, 2, 1, 1.0)]).is_err());
        assert!(growing.weighted(&pool, 0.1, &[term(0, 0, 1, f64::NAN)]).is_err());
        assert!(growing.weighted(&pool, 0.1, &[term(0, 0, 1, 1.0), term(0, 0, 1, 1.0)]).is_err());
    }
}
