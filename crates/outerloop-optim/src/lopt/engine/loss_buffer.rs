//! Running means of the loss over ten horizons (spec: learned_optimizers §1.9).
//!
//! All operations are f32 and in the published order: the features are quotients of differences of nearly equal numbers,
//! and the "bugged" rule, which has one horizon ten times, tests two of these numbers for equality.

use crate::optim::rounding::one_minus_power;
use crate::simd::LANES;

/// Horizons, and features.
const HORIZONS: usize = 10;
pub(in crate::lopt) const FEATURES: usize = HORIZONS - 1;
/// Names of the arrays of state.
pub(in crate::lopt) const ARRAYS: [&str; 3] = ["loss_means", "loss_minima", "loss_decays"];
/// Floats of an array, and of all with padding.
pub(in crate::lopt) const ARRAY_LEN: usize = HORIZONS;
pub(in crate::lopt) const PADDED_LEN: usize = ARRAYS.len() * HORIZONS.next_multiple_of(LANES);
/// What the minima start from.
const FIRST_MINIMUM: f32 = 999_999_999_999.0;

/// Means m with decays d, and the smallest that the corrected means b = m/(1 − dᵏ) ever were.
pub(in crate::lopt) struct LossBuffer<'a> {
    means: &'a mut [f32],
    minima: &'a mut [f32],
    decays: &'a mut [f32],
}

impl<'a> LossBuffer<'a> {
    /// The buffer in [`PADDED_LEN`] floats of the state.
    pub(in crate::lopt) fn new(state: &'a mut [f32]) -> Self {
        let (means, rest) = state.split_at_mut(PADDED_LEN / 3);
        let (minima, decays) = rest.split_at_mut(PADDED_LEN / 3);
        Self {
            means: &mut means[..HORIZONS],
            minima: &mut minima[..HORIZONS],
            decays: &mut decays[..HORIZONS],
        }
    }

    /// Before the first loss: half-lives from 10 to `longest` in equal ratios, d = exp(−1/half-life), at most the largest f32
    /// below 1: of longer half-lives than 2²⁴ nothing would be left of 1 − d.
    pub(in crate::lopt) fn init(self, longest: f64) {
        self.minima.fill(FIRST_MINIMUM);
        for (i, decay) in self.decays.iter_mut().enumerate() {
            let share = i as f64 / FEATURES as f64;
            let half_life = libm::pow(10.0, 1.0 + share * (libm::log10(longest) - 1.0));
            *decay = (libm::exp(-1.0 / half_life) as f32).min(1.0f32.next_down());
        }
    }

    /// b after `k` losses.
    fn corrected(&self, k: u64) -> [f32; HORIZONS] {
        std::array::from_fn(|i| self.means[i] / one_minus_power(self.decays[i], k as f64))
    }

    /// Feeds the loss that `before` losses came before, cut to twice the largest b. Returns, for all horizons but the last,
    /// clip((bᵢ − minᵢ)/max(1e-8, bᵢ₊₁ − minᵢ) − 1, ±1); zeros after the first two losses.
    pub(in crate::lopt) fn feed(self, before: u64, loss: f32) -> [f32; FEATURES] {
        let cap = if before == 0 {
            loss
        } else {
            self.corrected(before + 1).into_iter().fold(f32::NEG_INFINITY, larger)
        };
        let cut = 2.0 * cap.abs();
        let loss = if cut < loss || cut.is_nan() { cut } else { loss };
        for (m, d) in self.means.iter_mut().zip(&*self.decays) {
            *m = *m * d + loss * (1.0 - d);
        }
        let b = self.corrected(before + 1);
        for (min, &b) in self.minima.iter_mut().zip(&b) {
            if b < *min || b.is_nan() {
                *min = b;
            }
        }
        if before < 2 {
            return [0.0; FEATURES];
        }
        std::array::from_fn(|i| {
            let min = self.minima[i];
            ((b[i] - min) / larger(1e-8, b[i + 1] - min) - 1.0).clamp(-1.0, 1.0)
        })
    }
}

/// The larger of two, or NaN.
fn larger(a: f32, b: f32) -> f32 {
    if a > b || a.is_nan() { a } else { b }
}
