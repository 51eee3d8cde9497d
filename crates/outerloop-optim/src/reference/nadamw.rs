//! NAdamW as google/learned_optimization has it (`optimizers/nadamw.py`), with its cosine schedule.

use super::constants::Decay;
use super::elementwise::{Common, ElementRule};
use std::f64::consts::PI;

/// g' = g − l2·p; Adam's moments of g'; a = lr_t·√(1 − β₂ᵗ)/(1 − β₁ᵗ); p ← p − a·n/(√v + eps) − a·wd·p, where n is m or,
/// with Nesterov, β₁m + (1 − β₁)g'.
#[derive(Clone, Copy, Debug)]
pub struct NAdamW {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root.
    pub eps: f64,
    /// wd.
    pub weight_decay: f64,
    /// l2, with the published sign.
    pub l2: f64,
    /// Whether the mean looks ahead.
    pub nesterov: bool,
    /// The last rate in units of the first.
    pub min_lr_mult: f64,
    /// Share of the steps before the rate falls.
    pub constant_fraction: f64,
    /// Share of the steps that it rises.
    pub warmup_fraction: f64,
    /// The other sign of l2.
    pub l2_fixed: bool,
    /// Whether the smaller share is that of the warm-up, if there is one.
    pub warmup_min: bool,
    /// Whether decays are arrays.
    pub array_betas: bool,
}

impl NAdamW {
    /// lr_t of the update `t`, from 1.
    fn rate(&self, Common { t, num_steps, constants }: Common) -> f64 {
        let lr = constants.literal(self.lr);
        let last = constants.literal(self.min_lr_mult) * lr;
        let [constant, warmup] = [self.constant_fraction, self.warmup_fraction].map(|x| constants.literal(x));
        let step = (t - 1.0).min(num_steps);
        if warmup > 0.0 {
            let share = if self.warmup_min { warmup.min(constant) } else { warmup.max(constant) };
            let end = constants.literal(num_steps * share);
            if step < end {
                return lr * step / end;
            }
        }
        let start = constants.literal(num_steps * constant);
        let angle = PI * (step.max(start) - start) / (num_steps - start);
        last + (lr - last) * (0.5 + 0.5 * angle.cos())
    }
}

impl ElementRule for NAdamW {
    const STATE: &'static [&'static str] = &["grad_acc", "grad_sqr_acc"];
    const READS_NUM_STEPS: bool = true;

    fn first_state(&self) -> f64 {
        0.0
    }

    fn step(&self, common: Common, p: &mut f64, g: f64, state: &mut [f64]) {
        let Common { t, constants, .. } = common;
        let [eps, decay, l2] = [self.eps, self.weight_decay, self.l2].map(|x| constants.literal(x));
        let [first, second] = [self.beta1, self.beta2].map(|beta| {
            if self.array_betas { Decay::array(beta, constants) } else { Decay::literal(beta, constants) }
        });
        let g = if self.l2_fixed { g + l2 * *p } else { g - l2 * *p };
        first.update(&mut state[0], g);
        second.update(&mut state[1], g * g);
        let mut numerator = state[0];
        if self.nesterov {
            first.update(&mut numerator, g);
        }
        let corrected =
            constants.one_minus_power(self.beta2, t).sqrt() / constants.one_minus_power(self.beta1, t);
        let rate = self.rate(common) * corrected;
        *p -= rate * numerator / (state[1].sqrt() + eps) + rate * decay * *p;
    }
}
