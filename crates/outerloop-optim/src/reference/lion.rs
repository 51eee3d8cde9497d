//! Lion (Chen et al. 2023, arXiv:2302.06675), in optax's form.

use super::constants::Decay;
use super::elementwise::{Common, ElementRule};
use super::primitives::sign;

/// p ← p − lr·(sign(β₁m + (1 − β₁)g) + wd·p); then m ← β₂m + (1 − β₂)g.
#[derive(Clone, Copy, Debug)]
pub struct Lion {
    /// Learning rate.
    pub lr: f64,
    /// Share of the mean in the sign.
    pub beta1: f64,
    /// Decay of the mean.
    pub beta2: f64,
    /// wd.
    pub weight_decay: f64,
}

impl ElementRule for Lion {
    const STATE: &'static [&'static str] = &["mu"];
    const READS_NUM_STEPS: bool = false;

    fn first_state(&self) -> f64 {
        0.0
    }

    fn step(&self, Common { constants, .. }: Common, p: &mut f64, g: f64, state: &mut [f64]) {
        let mut ahead = state[0];
        Decay::literal(self.beta1, constants).update(&mut ahead, g);
        *p -= constants.literal(self.lr) * (sign(ahead) + constants.literal(self.weight_decay) * *p);
        Decay::literal(self.beta2, constants).update(&mut state[0], g);
    }
}
