//! AdaBelief (Zhuang et al. 2020, arXiv:2010.07468), in optax's form.

use super::constants::Decay;
use super::elementwise::{Common, ElementRule};

/// Adam with v ← β₂v + (1 − β₂)(g − m)² + eps_root, m being the new mean.
#[derive(Clone, Copy, Debug)]
pub struct AdaBelief {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root.
    pub eps: f64,
    /// Added to v at every step.
    pub eps_root: f64,
}

impl ElementRule for AdaBelief {
    const STATE: &'static [&'static str] = &["mu", "nu"];
    const READS_NUM_STEPS: bool = false;

    fn first_state(&self) -> f64 {
        0.0
    }

    fn step(&self, Common { t, constants, .. }: Common, p: &mut f64, g: f64, state: &mut [f64]) {
        let [lr, eps, eps_root] = [self.lr, self.eps, self.eps_root].map(|x| constants.literal(x));
        Decay::literal(self.beta1, constants).update(&mut state[0], g);
        let off = g - state[0];
        Decay::literal(self.beta2, constants).update(&mut state[1], off * off);
        state[1] += eps_root;
        let m = state[0] / constants.one_minus_power(self.beta1, t);
        let v = state[1] / constants.one_minus_power(self.beta2, t);
        *p -= lr * m / (v.sqrt() + eps);
    }
}
