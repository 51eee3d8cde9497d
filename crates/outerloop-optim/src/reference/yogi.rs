//! Yogi (Zaheer et al. 2018), in optax's form.

use super::constants::Decay;
use super::elementwise::{Common, ElementRule};
use super::primitives::sign;

/// Adam with v ← v − (1 − β₂)·sign(v − g²)·g², and moments that do not start at 0.
#[derive(Clone, Copy, Debug)]
pub struct Yogi {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// 1 − the speed of the second moment.
    pub beta2: f64,
    /// Added to the root.
    pub eps: f64,
    /// Both moments at first.
    pub initial_accumulator: f64,
}

impl ElementRule for Yogi {
    const STATE: &'static [&'static str] = &["mu", "nu"];
    const READS_NUM_STEPS: bool = false;

    fn first_state(&self) -> f64 {
        self.initial_accumulator
    }

    fn step(&self, Common { t, constants, .. }: Common, p: &mut f64, g: f64, state: &mut [f64]) {
        Decay::literal(self.beta1, constants).update(&mut state[0], g);
        state[1] -= Decay::literal(self.beta2, constants).complement * sign(state[1] - g * g) * g * g;
        let m = state[0] / constants.one_minus_power(self.beta1, t);
        let v = state[1] / constants.one_minus_power(self.beta2, t);
        *p -= constants.literal(self.lr) * m / (v.sqrt() + constants.literal(self.eps));
    }
}
