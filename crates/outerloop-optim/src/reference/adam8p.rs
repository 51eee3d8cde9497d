//! The six- and eight-parameter Adam of TaskSet (Metz et al. 2020, arXiv:2002.11887).

use super::constants::Decay;
use super::elementwise::{Common, ElementRule};

/// Adam on the loss + l2·Σp² + l1·Σ|p|; the rate is lr·max(1 − linear·s, 0)·exp(−exponential·s) after s updates.
#[derive(Clone, Copy, Debug)]
pub struct Adam8p {
    /// Learning rate at first.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root, under which there is 1e-10.
    pub eps: f64,
    /// Factor of Σ|p|.
    pub l1: f64,
    /// Factor of Σp².
    pub l2: f64,
    /// Linear decay.
    pub linear_decay: f64,
    /// Exponential decay.
    pub exponential_decay: f64,
    /// Whether s counts ten-thousandths of the run.
    pub rescale_time: bool,
}

impl ElementRule for Adam8p {
    const STATE: &'static [&'static str] = &["mu", "nu"];
    const READS_NUM_STEPS: bool = true;

    fn first_state(&self) -> f64 {
        0.0
    }

    fn step(&self, Common { t, num_steps, constants }: Common, p: &mut f64, g: f64, state: &mut [f64]) {
        let [lr, eps, eps_root] = [self.lr, self.eps, 1e-10].map(|x| constants.literal(x));
        let [l1, l2] = [self.l1, self.l2].map(|x| constants.literal(x));
        let [linear, exponential] = [self.linear_decay, self.exponential_decay].map(|x| constants.literal(x));
        let updates = t - 1.0;
        let s = if self.rescale_time { updates * 10_000.0 / num_steps } else { updates };
        let falling = if linear * s < 1.0 { 1.0 - linear * s } else { 0.0 };
        let rate = lr * falling * (-exponential * s).exp();
        let g = g + l2 * 2.0 * *p + l1 * super::primitives::sign(*p);
        Decay::literal(self.beta1, constants).update(&mut state[0], g);
        Decay::literal(self.beta2, constants).update(&mut state[1], g * g);
        let m = state[0] / constants.one_minus_power(self.beta1, t);
        let v = state[1] / constants.one_minus_power(self.beta2, t);
        *p -= rate * m / ((v + eps_root).sqrt() + eps);
    }
}
