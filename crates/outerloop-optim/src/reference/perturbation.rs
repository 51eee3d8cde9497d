//! The sums of the evolution-strategy estimators, from losses to a gradient of theta.
//!
//! Truncated ES: Metz et al. 2019, arXiv:1810.10180. PES: Vicol, Metz, Sohl-Dickstein 2021, arXiv:2112.13835.
//! Reference implementation google/learned_optimization (32186aa), `outer_trainers/truncated_{es,pes}.py`.
//! Differences: [`Boundary::Exclusive`] repairs the published boundary, and a pair with a non-finite loss contributes
//! zero and is counted instead of spoiling the sum.

/// Losses of one truncation of all pairs, slot by slot.
/// # Shapes
/// All `[slots][particles]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TruncationLosses {
    /// Meta-losses of the lanes under theta + perturbation.
    pub pos: Vec<Vec<f64>>,
    /// Meta-losses of the lanes under theta − perturbation.
    pub neg: Vec<Vec<f64>>,
    /// Whether the slot trained (false: it only started a new episode, and its losses mean nothing).
    pub mask: Vec<Vec<bool>>,
    /// Whether an episode ended with this slot.
    pub is_done: Vec<Vec<bool>>,
}

/// Which slots the end of an episode separates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boundary {
    /// The slot that ends an episode belongs to it. An episode that ends with the truncation leaves nothing over.
    Exclusive,
    /// The published code's: the slot that ends an episode counts with the next one (`compat_boundary`). Biased, by
    /// about 2/length of an episode.
    CompatInclusive,
}

/// A gradient of theta.
#[derive(Clone, Debug, PartialEq)]
pub struct Estimate {
    /// Mean over pairs of their mean loss, over finite pairs only; NaN if there is none.
    pub mean_loss: f64,
    /// Estimated gradient.
    pub grad: Vec<f64>,
    /// Pairs without a finite mean loss: a lane diverged, or no slot trained.
    pub num_non_finite: usize,
}

/// Truncated ES: grad = mean over pairs of Δ/(2·std²)·ε, Δ = (mean of pos over trained slots) − (same of neg).
///
/// With `sign_mult` = k every Δ is replaced by k·sign(Δ).
/// # Shapes
/// `perturbations: [particles][theta_length]`.
pub fn truncated_es(
    losses: &TruncationLosses,
    perturbations: &[Vec<f64>],
    std: f64,
    sign_mult: Option<f64>,
) -> Estimate {
    let weights: Vec<Vec<f64>> = (0..perturbations.len())
        .map(|i| {
            let delta = losses.masked_mean(i, |t| losses.pos[t][i] - losses.neg[t][i]);
            let delta = sign_mult.map_or(delta, |k| k * super::primitives::sign(delta));
            perturbations[i].iter().map(|e| delta * e).collect()
        })
        .collect();
    losses.average(weights, std)
}

/// PES: every slot's loss difference is weighted with the sum of all perturbations its episode has seen.
///
/// With ξ ← accumulator + ε and F_t = whether an episode ended before slot t (at or before it for the published
/// boundary): A = mean of Δ_t over trained slots with F_t = 0 kept, B = the same with F_t = 1 kept, both divided by
/// all trained slots; grad = mean over pairs of (A·ξ + B·ε)/(2·std²). The new accumulator is ξ if no episode ended, ε
/// if one did, and 0 if one ended exactly with the last slot (ε for the published boundary). With `sign_mult` = k every
/// Δ_t is replaced by k·sign(Σ Δ_t over trained slots).
/// # Shapes
/// `perturbations`, `accumulator`: `[particles][theta_length]`; the accumulator is updated in place.
pub fn pes(
    losses: &TruncationLosses,
    perturbations: &[Vec<f64>],
    accumulator: &mut [Vec<f64>],
    std: f64,
    sign_mult: Option<f64>,
    boundary: Boundary,
) -> Estimate {
    let num_slots = losses.pos.len();
    let mut weights = vec![];
    for (i, eps) in perturbations.iter().enumerate() {
        let done = |slots: usize| (0..slots).any(|t| losses.is_done[t][i]);
        let is_next_episode = |t: usize| done(if boundary == Boundary::Exclusive { t } else { t + 1 });
        let raw = |t: usize| losses.pos[t][i] - losses.neg[t][i];
        let signed = sign_mult.map(|k| k * super::primitives::sign(losses.masked_mean(i, raw)));
        let delta = |t: usize| signed.unwrap_or_else(|| raw(t));
        let before = losses.masked_mean(i, |t| if is_next_episode(t) { 0.0 } else { delta(t) });
        let after = losses.masked_mean(i, |t| if is_next_episode(t) { delta(t) } else { 0.0 });
        let xi: Vec<f64> = accumulator[i].iter().zip(eps).map(|(a, e)| a + e).collect();
        weights.push(xi.iter().zip(eps).map(|(x, e)| before * x + after * e).collect());
        let ends_with_truncation = losses.is_done[num_slots - 1][i];
        accumulator[i] = if boundary == Boundary::Exclusive && ends_with_truncation {
            vec![0.0; eps.len()]
        } else if done(num_slots) {
            eps.clone()
        } else {
            xi
        };
    }
    losses.average(weights, std)
}

impl TruncationLosses {
    /// Mean of `f` over the slots in which particle `i` trained.
    fn masked_mean(&self, i: usize, f: impl Fn(usize) -> f64) -> f64 {
        let trained: Vec<f64> = (0..self.pos.len()).filter(|&t| self.mask[t][i]).map(f).collect();
        super::primitives::mean(&trained)
    }

    /// Mean over pairs of `weights`/(2·std²); a non-finite pair counts as zero.
    fn average(&self, weights: Vec<Vec<f64>>, std: f64) -> Estimate {
        let num_particles = weights.len() as f64;
        let mut grad = vec![0.0; weights.first().map_or(0, Vec::len)];
        let (mut losses, mut num_non_finite) = (vec![], 0);
        for (i, weight) in weights.iter().enumerate() {
            let loss = self.masked_mean(i, |t| 0.5 * (self.pos[t][i] + self.neg[t][i]));
            if !loss.is_finite() {
                num_non_finite += 1;
                continue;
            }
            losses.push(loss);
            for (g, w) in grad.iter_mut().zip(weight) {
                *g += w / (2.0 * std * std * num_particles);
            }
        }
        Estimate { mean_loss: super::primitives::mean(&losses), grad, num_non_finite }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// x ← x + theta from x = 0, loss x, episodes of 12 steps, theta = 0: the mean loss of an episode (measured before
    /// each update) is theta·(0 + … + 11)/12, its gradient 5.5. Truncations of 5 slots and 4 pairs with perturbations
    /// ±std make each pair's estimate exact in expectation; here the expectation over signs is taken whole, by
    /// summing over all 2³ sign patterns of the three truncations an episode touches.
    #[test]
    fn pes_is_unbiased_on_a_linear_task_and_truncated_es_is_not() {
        const LENGTH: usize = 12;
        const SLOTS: usize = 4;
        let std = 0.1;
        let (mut sum_pes, mut sum_es) = (0.0, 0.0);
        for pattern in 0..8u32 {
            let mut accumulator = vec![vec![0.0]];
            let (mut x_pos, mut x_neg) = (0.0, 0.0);
            for truncation in 0..LENGTH / SLOTS {
                let eps = if pattern >> truncation & 1 == 1 { std } else { -std };
                let mut losses = TruncationLosses::default();
                for slot in 0..SLOTS {
                    losses.pos.push(vec![x_pos]);
                    losses.neg.push(vec![x_neg]);
                    losses.mask.push(vec![true]);
                    losses.is_done.push(vec![truncation * SLOTS + slot + 1 == LENGTH]);
                    x_pos += eps;
                    x_neg -= eps;
                }
                let eps = [vec![eps]];
                sum_pes += pes(&losses, &eps, &mut accumulator, std, None, Boundary::Exclusive).grad[0];
                sum_es += truncated_es(&losses, &eps, std, None).grad[0];
            }
            assert_eq!(accumulator, [[0.0]], "an episode that ends with the truncation leaves nothing");
        }
        // Mean over 8 patterns and 3 truncations. Truncated ES sees only its own slots: (0 + 1 + 2 + 3)/4.
        assert!((sum_pes / 24.0 - 5.5).abs() < 1e-12, "{sum_pes}");
        assert!((sum_es / 24.0 - 1.5).abs() < 1e-12, "{sum_es}");
    }

    #[test]
    fn a_non_finite_pair_counts_as_zero() {
        let mut losses = TruncationLosses {
            pos: vec![vec![2.0, 5.0]],
            neg: vec![vec![1.0, f64::NAN]],
            mask: vec![vec![true; 2]],
            is_done: vec![vec![false; 2]],
        };
        let eps = [vec![0.5], vec![7.0]];
        let estimate = truncated_es(&losses, &eps, 0.5, None);
        // Δ = 1, 2·std² = 0.5, two pairs: 1·0.5/0.5/2.
        assert_eq!(estimate, Estimate { mean_loss: 1.5, grad: vec![0.5], num_non_finite: 1 });
        losses.mask[0][1] = false;
        assert_eq!(truncated_es(&losses, &eps, 0.5, None).num_non_finite, 1, "a pair that never trained");
    }
}
