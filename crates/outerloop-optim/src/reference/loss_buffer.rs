//! Running means of the loss over ten horizons, and what the schedulers of VeLO and Celo see of them.
//!
//! Metz et al. 2022, arXiv:2211.09760; reference implementation google/learned_optimization (32186aa),
//! `research/general_lopt/hyper_v2.py`, `BufferLossAccumulators`.
//!
//! The features are quotients of differences of nearly equal numbers: one rounding of a loss moves them by any amount, and
//! the rule with one horizon tests two of these numbers for equality. So where constants are rounded, every operation is.

use super::constants::Constants;
use super::primitives::clip;
use super::tensor::Tensor;

/// Number of horizons.
const HORIZONS: usize = 10;
/// What the minima start from.
const FIRST_MINIMUM: f64 = 999_999_999_999.0;

/// Means m of the loss with decays d = exp(−1/h), and the smallest that the corrected means b = m/(1 − dᵏ) ever were.
#[derive(Clone, Debug)]
pub struct LossBuffer {
    constants: Constants,
    means: Tensor,
    running_min: Tensor,
    decays: Tensor,
    iteration: Tensor,
}

impl LossBuffer {
    /// Before the first loss; the decays are settled with it.
    pub fn new(constants: Constants) -> Self {
        let tensor = |item: &str, value| Tensor::filled(format!("loss_buffer|{item}"), [HORIZONS], value);
        Self {
            constants,
            means: tensor("means", 0.0),
            running_min: tensor("running_min", constants.literal(FIRST_MINIMUM)),
            decays: tensor("decays", 0.0),
            iteration: Tensor::scalar("loss_buffer|iteration", 0.0),
        }
    }

    /// Half-lives from 10 to `longest` in equal ratios.
    fn settle_decays(&mut self, longest: f64) {
        for (i, decay) in self.decays.data.iter_mut().enumerate() {
            let share = i as f64 / (HORIZONS - 1) as f64;
            let half_life = 10f64.powf(1.0 + share * (longest.log10() - 1.0));
            *decay = self.constants.literal((-1.0 / half_life).exp());
        }
    }

    /// b after `k` losses.
    fn corrected(&self, k: f64) -> Vec<f64> {
        let Self { constants, means, decays, .. } = self;
        let of = |(m, d): (&f64, &f64)| constants.literal(m / constants.one_minus_power(*d, k));
        means.data.iter().zip(&decays.data).map(of).collect()
    }

    /// Feeds a loss, cut to twice the largest mean before it; the longest half-life is `longest`.
    pub fn update(&mut self, loss: f64, longest: f64) {
        let constants = self.constants;
        let round = |x: f64| constants.literal(x);
        let k = self.iteration.item();
        let cap = if k == 0.0 {
            self.settle_decays(longest);
            loss
        } else {
            self.corrected(k + 1.0).into_iter().fold(f64::NEG_INFINITY, larger)
        };
        let cut = 2.0 * cap.abs();
        let loss = if cut < loss || cut.is_nan() { cut } else { loss };
        for (m, d) in self.means.data.iter_mut().zip(&self.decays.data) {
            *m = round(round(*m * d) + round(loss * constants.complement(*d)));
        }
        self.iteration.data[0] += 1.0;
        let corrected = self.corrected(k + 1.0);
        for (min, b) in self.running_min.data.iter_mut().zip(corrected) {
            if b < *min || b.is_nan() {
                *min = b;
            }
        }
    }

    /// clip((bᵢ − minᵢ)/max(1e-8, bᵢ₊₁ − minᵢ) − 1, ±1) of the shorter nine horizons; 0 for the first two losses.
    pub fn features(&self) -> Vec<f64> {
        let constants = self.constants;
        let round = |x: f64| constants.literal(x);
        let k = self.iteration.item();
        let b = self.corrected(k);
        let feature = |i: usize| {
            let min = self.running_min.data[i];
            let range = larger(round(1e-8), round(b[i + 1] - min));
            clip(round(round(round(b[i] - min) / range) - 1.0), -1.0, 1.0)
        };
        (0..HORIZONS - 1).map(|i| if k <= 2.0 { 0.0 } else { feature(i) }).collect()
    }

    /// The state.
    pub fn state(&self) -> [&Tensor; 4] {
        [&self.means, &self.running_min, &self.decays, &self.iteration]
    }

    /// The state, to be overwritten.
    pub fn state_mut(&mut self) -> [&mut Tensor; 4] {
        [&mut self.means, &mut self.running_min, &mut self.decays, &mut self.iteration]
    }
}

/// The larger of two, or NaN.
fn larger(a: f64, b: f64) -> f64 {
    if a > b || a.is_nan() { a } else { b }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A constant loss is every mean and every minimum: the quotient is 0/1e-8, so the features are −1 from the third on.
    #[test]
    fn a_constant_loss_is_its_own_mean() {
        let mut buffer = LossBuffer::new(Constants::Exact);
        for k in 0..20 {
            buffer.update(1.5, 1000.0);
            let b = buffer.corrected(buffer.iteration.item());
            assert!(b.iter().all(|b| (b - 1.5).abs() < 1e-12), "{b:?}");
            let expected = if k < 2 { 0.0 } else { -1.0 };
            // 1e-15 of rounding is 1e-7 of the floor.
            assert!(buffer.features().iter().all(|f| (f - expected).abs() < 1e-5), "{:?}", buffer.features());
        }
    }

    /// A spike counts as twice the largest mean. With half-lives of 10, 1 − d = 0.0952.
    #[test]
    fn spikes_are_cut() {
        let mut buffer = LossBuffer::new(Constants::Exact);
        buffer.update(1.0, 10.0);
        let d = (-0.1f64).exp();
        let cap = 2.0 * (1.0 - d) / (1.0 - d * d);
        buffer.update(1e9, 10.0);
        let expected = (1.0 - d) * d + (1.0 - d) * cap;
        assert!((buffer.means.data[3] - expected).abs() < 1e-12);
    }
}
