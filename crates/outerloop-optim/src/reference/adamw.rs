//! AdamW (Loshchilov, Hutter 2017, arXiv:1711.05101), in optax's form.

use super::constants::Decay;
use super::elementwise::{Common, ElementRule};

/// Adam, and p ← p − lr·wd·p with the p before the step.
#[derive(Clone, Copy, Debug)]
pub struct AdamW {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root.
    pub eps: f64,
    /// Added under the root.
    pub eps_root: f64,
    /// wd.
    pub weight_decay: f64,
}

impl ElementRule for AdamW {
    const STATE: &'static [&'static str] = &["mu", "nu"];
    const READS_NUM_STEPS: bool = false;

    fn first_state(&self) -> f64 {
        0.0
    }

    fn step(&self, Common { t, constants, .. }: Common, p: &mut f64, g: f64, state: &mut [f64]) {
        let [lr, eps, eps_root, decay] =
            [self.lr, self.eps, self.eps_root, self.weight_decay].map(|x| constants.literal(x));
        Decay::literal(self.beta1, constants).update(&mut state[0], g);
        Decay::literal(self.beta2, constants).update(&mut state[1], g * g);
        let m = state[0] / constants.one_minus_power(self.beta1, t);
        let v = state[1] / constants.one_minus_power(self.beta2, t);
        *p -= lr * (m / ((v + eps_root).sqrt() + eps) + decay * *p);
    }
}
