//! Gradients made from [`PerturbationSums`] against the f64 sums of the estimators.
#![allow(clippy::unwrap_used, missing_docs)]

use outerloop_core::reference::perturbation::{Boundary, TruncationLosses, pes, truncated_es};
use outerloop_core::simd::Cpu;
use outerloop_core::unroll::{Noise, PerturbationSums, PerturbationTerm, perturb, thread_pool};

const SEED: u64 = 21;
const LEN: usize = 37;
const STD: f64 = 0.05;
/// Truncations an episode lasts, by particle.
const EPISODES: [u64; 3] = [4, 3, 1];

/// Losses without a pattern; particle 1 diverges at truncation 5.
fn loss(particle: usize, truncation: u64, sign: f64) -> f64 {
    if (particle, truncation) == (1, 5) {
        return f64::NAN;
    }
    (particle as f64 + 1.7 * truncation as f64).sin()
        + sign * 0.3 * (0.9 * truncation as f64 - particle as f64).cos()
}

/// Truncation by truncation. A sum of up to four perturbations and the result are rounded to f32: 4e-7 of the largest
/// entry covers five roundings of 6e-8.
#[test]
fn pes_and_truncated_es_follow_the_f64_sums() {
    let pool = thread_pool(2).unwrap();
    let mut sums = PerturbationSums::new(Noise::new(Cpu::detect().unwrap(), SEED, LEN, vec![]));
    let mut accumulator = vec![vec![0.0; LEN]; 3];
    let mut worst = 0f64;
    for t in 0..12 {
        let particles = 0..3usize;
        let row = |f: &dyn Fn(usize) -> f64| vec![particles.clone().map(f).collect::<Vec<f64>>()];
        let losses = TruncationLosses {
            pos: row(&|i| loss(i, t, 1.0)),
            neg: row(&|i| loss(i, t, -1.0)),
            mask: vec![vec![true; 3]],
            is_done: vec![EPISODES.iter().map(|n| (t + 1) % n == 0).collect()],
        };
        let eps: Vec<Vec<f64>> = particles
            .clone()
            .map(|i| {
                let [unit, _] = perturb(&[0.0; LEN], SEED, i as u32, t, 1.0);
                unit.iter().map(|&z| STD * f64::from(z)).collect()
            })
            .collect();
        let expected_pes = pes(&losses, &eps, &mut accumulator, STD, None, Boundary::Exclusive);
        let expected_es = truncated_es(&losses, &eps, STD, None);
        assert_eq!(expected_pes.num_non_finite, usize::from(t == 5));
        let mut gradient = |first: &dyn Fn(usize) -> u64| {
            let terms: Vec<PerturbationTerm> = particles
                .clone()
                .map(|i| (i, loss(i, t, 1.0) - loss(i, t, -1.0)))
                .filter(|(_, delta)| delta.is_finite())
                .map(|(i, delta)| PerturbationTerm {
                    particle: i as u32,
                    first: first(i),
                    last: t,
                    weight: delta / (2.0 * STD * STD * 3.0),
                })
                .collect();
            sums.weighted(&pool, STD, &terms).unwrap().sum
        };
        let got_pes = gradient(&|i| t / EPISODES[i] * EPISODES[i]);
        let got_es = gradient(&|_| t);
        for (got, expected) in [(got_pes, expected_pes.grad), (got_es, expected_es.grad)] {
            let largest = expected.iter().fold(0f64, |m, x| m.max(x.abs()));
            for (g, e) in got.iter().zip(&expected) {
                let error = (f64::from(*g) - e).abs() / largest;
                assert!(error <= 4e-7, "truncation {t}: {g} {e}");
                worst = worst.max(error);
            }
        }
    }
    println!("estimators: largest deviation {worst:.1e} of the largest entry");
}
