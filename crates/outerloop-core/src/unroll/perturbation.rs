//! Noise on theta, made from keys wherever it is needed and never shipped.

use crate::error::{Error, Result};
use crate::rng::{Key, Purpose};
use crate::simd::{Cpu, FlushDenormals, Workers, fill_normal};
use serde::Deserialize;
use std::collections::HashMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The perturbations of a run: names for noise on theta.
#[derive(Clone, Debug)]
pub struct Noise {
    cpu: Cpu,
    seed: u64,
    theta_len: usize,
    /// Weights that get none.
    frozen: Vec<Range<usize>>,
    /// The newest perturbation of each particle. A cache, not state: a truncation makes it and its gradient needs it again.
    newest: Arc<Mutex<HashMap<u32, Newest>>>,
}

#[derive(Debug)]
struct Newest {
    perturbation: u64,
    unit: Arc<[f32]>,
}

/// Weights of noise that are kept for the gradient, 64 MiB; beyond them it is made again.
const MAX_KEPT: usize = 1 << 24;

impl Noise {
    /// For thetas of `theta_len` weights under the run's `seed`; weights in `frozen` stay as they are.
    pub fn new(cpu: Cpu, seed: u64, theta_len: usize, frozen: Vec<Range<usize>>) -> Self {
        Self { cpu, seed, theta_len, frozen, newest: Arc::default() }
    }

    /// Perturbation number `perturbation` of `particle` in units of its standard deviation.
    fn unit(&self, particle: u32, perturbation: u64) -> Arc<[f32]> {
        if let Some(newest) = self.newest().get(&particle).filter(|n| n.perturbation == perturbation) {
            return newest.unit.clone();
        }
        let key = Key::new(self.seed, Purpose::Perturbation).fold(u64::from(particle)).fold(perturbation);
        let mut out = vec![0.0; self.theta_len];
        fill_normal(self.cpu, key, &mut out);
        for range in &self.frozen {
            out[range.clone()].fill(0.0);
        }
        out.into()
    }

    fn newest(&self) -> MutexGuard<'_, HashMap<u32, Newest>> {
        self.newest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// (theta + ε, theta − ε) with ε ~ N(0, std²) named by (particle, perturbation).
    pub fn perturb(&self, theta: &[f32], particle: u32, perturbation: u64, std: f32) -> [Vec<f32>; 2] {
        let unit = self.unit(particle, perturbation);
        let shifted = |sign: f32| theta.iter().zip(&*unit).map(|(t, z)| t + sign * (std * z)).collect();
        let halves = [shifted(1.0), shifted(-1.0)];
        let mut newest = self.newest();
        if newest.contains_key(&particle) || (newest.len() + 1) * self.theta_len <= MAX_KEPT {
            newest.insert(particle, Newest { perturbation, unit });
        }
        halves
    }
}

/// [`Noise::perturb`] of a whole theta, on any backend: all give the same bits.
pub fn perturb(theta: &[f32], seed: u64, particle: u32, perturbation: u64, std: f32) -> [Vec<f32>; 2] {
    Noise::new(Cpu::portable(), seed, theta.len(), vec![]).perturb(theta, particle, perturbation, std)
}

/// One particle's share of a gradient: `weight` times the sum of its perturbations `first..=last`.
#[derive(Clone, Copy, Debug, PartialEq, Deserialize)]
#[cfg_attr(test, derive(ts_rs::TS))]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PerturbationTerm {
    /// Number of the particle.
    pub particle: u32,
    /// First perturbation of the sum.
    #[cfg_attr(test, ts(type = "number"))]
    pub first: u64,
    /// Last perturbation of the sum.
    #[cfg_attr(test, ts(type = "number"))]
    pub last: u64,
    /// Factor, finite.
    pub weight: f64,
}

/// A weighted sum of perturbations.
#[derive(Clone, Debug, PartialEq)]
pub struct PerturbationSum {
    /// `std · Σ_terms weight · Σ_k ε_k`.
    pub sum: Vec<f32>,
    /// `Σ_terms ‖std · weight · Σ_k ε_k‖²`: the squared norm that the sum would have if its terms were orthogonal.
    pub squares: f64,
}

/// Weighted sums of perturbations, for the gradients of evolution strategies.
///
/// Sums that grow by one perturbation a call, as those of PES do, are remembered: a cache, not state. A sum adds its
/// perturbations in order in f32 whether it was remembered or not, so the result is a function of the terms alone.
pub struct PerturbationSums {
    noise: Noise,
    remembered: Vec<Remembered>,
}

/// The last sum of a particle.
#[derive(Clone, Default)]
struct Remembered {
    span: Option<(u64, u64)>,
    sum: Vec<f32>,
}

impl Remembered {
    fn reach(&mut self, noise: &Noise, term: &PerturbationTerm) {
        let from = match self.span {
            Some((first, last)) if first == term.first && last <= term.last => last + 1,
            _ => {
                self.sum = vec![0.0; noise.theta_len];
                term.first
            }
        };
        for perturbation in from..=term.last {
            let unit = noise.unit(term.particle, perturbation);
            self.sum.iter_mut().zip(&*unit).for_each(|(sum, z)| *sum += z);
        }
        self.span = Some((term.first, term.last));
    }
}

impl PerturbationSums {
    /// Sums of `noise`.
    pub fn new(noise: Noise) -> Self {
        Self { noise, remembered: vec![] }
    }

    /// The sum of `terms`, with unit perturbations ε, added in the order of the terms in f64. A particle's terms stand
    /// together.
    /// # Errors
    /// `InvalidOption` if a particle is above 2²⁰ or its terms are apart, a span is empty or a weight is not finite.
    pub fn weighted(
        &mut self,
        pool: &rayon::ThreadPool,
        std: f64,
        terms: &[PerturbationTerm],
    ) -> Result<PerturbationSum> {
        let groups: Vec<&[PerturbationTerm]> = terms.chunk_by(|a, b| a.particle == b.particle).collect();
        self.check(&groups)?;
        // Every particle's memory with its terms, in the order of the terms.
        let mut slots: Vec<Option<&mut Remembered>> = self.remembered.iter_mut().map(Some).collect();
        let mut work: Vec<_> = groups
            .iter()
            .filter_map(|&group| Some((slots[group[0].particle as usize].take()?, group, vec![])))
            .collect();
        // As on all threads of the pool.
        let _flush = FlushDenormals::on();
        let noise = &self.noise;
        let workers = match terms.len() * noise.theta_len {
            ..SHARED => Workers::one(noise.cpu),
            _ => Workers::of(noise.cpu, pool),
        };
        workers.each_mut(&mut work, |_, (remembered, group, earlier)| {
            for (i, term) in group.iter().enumerate() {
                if i > 0 {
                    earlier.push(remembered.sum.clone());
                }
                remembered.reach(noise, term);
            }
        });
        let sums: Vec<(f64, &[f32])> = work
            .iter()
            .flat_map(|(remembered, group, earlier)| {
                let sums = earlier.iter().chain(std::iter::once(&remembered.sum)).map(|s| &s[..]);
                group.iter().map(|term| term.weight).zip(sums)
            })
            .collect();
        Ok(total(workers, std, noise.theta_len, &sums))
    }

    /// Makes room for the particles of all groups.
    fn check(&mut self, groups: &[&[PerturbationTerm]]) -> Result<()> {
        let mut seen = vec![false; self.remembered.len()];
        for group in groups {
            let particle = group[0].particle as usize;
            let bad = group.iter().find(|t| t.first > t.last || !t.weight.is_finite());
            if seen.get(particle) == Some(&true) || particle >= 1 << 20 || bad.is_some() {
                let got = bad.unwrap_or(&group[0]);
                return Err(Error::option(format!(
                    "perturbation sum: expected terms with first <= last and a finite weight, those of a particle together, got {got:?}"
                )));
            }
            if self.remembered.len() <= particle {
                self.remembered.resize(particle + 1, Remembered::default());
                seen.resize(particle + 1, false);
            }
            seen[particle] = true;
        }
        Ok(())
    }
}

/// Σ vᵢ² in f64, in eight sums side by side: one alone would wait for itself.
fn sum_of_squares(values: &[f32]) -> f64 {
    let mut sums = [0f64; 8];
    let groups = values.chunks_exact(8);
    let rest: f64 = groups.remainder().iter().map(|&v| f64::from(v).powi(2)).sum();
    for group in groups {
        for i in 0..8 {
            let value = f64::from(group[i]);
            sums[i] += value * value;
        }
    }
    sums.iter().sum::<f64>() + rest
}

/// Weights of all terms below which one thread sums them before another would have woken.
const SHARED: usize = 1 << 16;
/// Weights of theta that are summed together.
const BLOCK: usize = 4096;

/// Adds the weighted sums, block by block of theta; within a block in order.
fn total(workers: Workers<'_>, std: f64, theta_len: usize, sums: &[(f64, &[f32])]) -> PerturbationSum {
    let mut sum = vec![0f32; theta_len];
    let mut blocks: Vec<_> = sum.chunks_mut(BLOCK).map(|out| (out, 0.0)).collect();
    workers.each_mut(&mut blocks, |block, (out, squares)| {
        let mut totals = vec![0f64; out.len()];
        for (weight, values) in sums {
            let values = &values[block * BLOCK..][..totals.len()];
            for (total, &value) in totals.iter_mut().zip(values) {
                *total += weight * f64::from(value);
            }
            *squares += weight * weight * sum_of_squares(values);
        }
        out.iter_mut().zip(&totals).for_each(|(o, t)| *o = (std * t) as f32);
    });
    let squares: f64 = blocks.iter().map(|(_, squares)| squares).sum();
    PerturbationSum { sum, squares: std * std * squares }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::unroll::thread_pool;

    fn term(particle: u32, first: u64, last: u64, weight: f64) -> PerturbationTerm {
        PerturbationTerm { particle, first, last, weight }
    }

    fn sums(seed: u64, len: usize) -> PerturbationSums {
        PerturbationSums::new(Noise::new(Cpu::portable(), seed, len, vec![]))
    }

    /// The sums are those of the very noise that `perturb` adds: recovered from it to f32 rounding.
    #[test]
    fn sums_are_of_the_noise_that_was_added() {
        let (pool, n, std) = (thread_pool(2).expect("pool"), BLOCK + 30, 0.25);
        let terms = [term(3, 1, 2, 2.0), term(3, 5, 5, 0.5), term(0, 7, 7, -1.0)];
        let got = sums(9, n).weighted(&pool, std, &terms).expect("valid terms");
        let noise = |particle, index| perturb(&vec![0.0; n], 9, particle, index, std as f32);
        let [one, two, five, seven] = [(3, 1), (3, 2), (3, 5), (0, 7)].map(|(p, i)| noise(p, i));
        let mut squares = 0.0;
        for (j, got) in got.sum.iter().enumerate() {
            let parts = [2.0 * (one[0][j] + two[0][j]), 0.5 * five[0][j], -seven[0][j]];
            assert!((got - parts.iter().sum::<f32>()).abs() < 1e-5, "{j}");
            assert_eq!(one[0][j], -one[1][j]);
            squares += parts.iter().map(|&p| f64::from(p).powi(2)).sum::<f64>();
        }
        assert!((got.squares - squares).abs() < 1e-5 * squares, "{} {squares}", got.squares);
    }

    #[test]
    fn remembering_does_not_change_bits() {
        let pool = thread_pool(1).expect("pool");
        let mut growing = sums(1, 33);
        for last in 0..6 {
            let terms = [term(1, last / 2, last, 0.3), term(0, 0, last, 1.0), term(0, last, last, 2.0)];
            let fresh = sums(1, 33).weighted(&pool, 0.1, &terms).expect("valid");
            assert_eq!(growing.weighted(&pool, 0.1, &terms).expect("valid"), fresh);
        }
        assert!(growing.weighted(&pool, 0.1, &[term(0, 2, 1, 1.0)]).is_err());
        assert!(growing.weighted(&pool, 0.1, &[term(0, 0, 1, f64::NAN)]).is_err());
        let apart = [term(0, 0, 1, 1.0), term(1, 0, 1, 1.0), term(0, 0, 1, 1.0)];
        assert!(growing.weighted(&pool, 0.1, &apart).is_err());
    }

    /// What a truncation left behind is what would be made anew.
    #[test]
    fn noise_that_was_kept_is_the_same() {
        let pool = thread_pool(2).expect("pool");
        let terms = [term(0, 3, 5, 1.5), term(2, 5, 5, -1.0)];
        let fresh = sums(3, 50).weighted(&pool, 0.1, &terms).expect("valid");
        let noise = Noise::new(Cpu::portable(), 3, 50, vec![]);
        let mut kept = PerturbationSums::new(noise.clone());
        for (particle, perturbation) in [(0, 4), (0, 5), (2, 4), (2, 5)] {
            assert_eq!(
                noise.perturb(&[1.0; 50], particle, perturbation, 0.1),
                perturb(&[1.0; 50], 3, particle, perturbation, 0.1)
            );
        }
        assert_eq!(kept.weighted(&pool, 0.1, &terms).expect("valid"), fresh);
    }

    #[test]
    fn frozen_weights_are_not_perturbed() {
        let noise = Noise::new(Cpu::portable(), 4, 6, vec![1..3, 5..6]);
        let theta = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        for half in noise.perturb(&theta, 0, 0, 0.5) {
            let moved: Vec<bool> = half.iter().zip(&theta).map(|(a, b)| a != b).collect();
            assert_eq!(moved, [true, false, false, true, true, false]);
        }
        let pool = thread_pool(1).expect("pool");
        let sum = PerturbationSums::new(noise).weighted(&pool, 1.0, &[term(0, 0, 2, 1.0)]).expect("valid");
        assert!(sum.sum.iter().enumerate().all(|(i, x)| (*x == 0.0) == [1, 2, 5].contains(&i)));
    }
}
