//! RAdam (Liu et al. 2019, arXiv:1908.03265), in optax's form.

use super::constants::Decay;
use super::elementwise::{Common, ElementRule};

/// Adam times r = √((ρ−4)(ρ−2)ρ∞/((ρ∞−4)(ρ∞−2)ρ)) where ρ = ρ∞ − 2tβ₂ᵗ/(1−β₂ᵗ) has reached the threshold, ρ∞ being
/// 2/(1−β₂) − 1; momentum before.
#[derive(Clone, Copy, Debug)]
pub struct RAdam {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root.
    pub eps: f64,
    /// ρ from which the second moment is used.
    pub threshold: f64,
}

impl ElementRule for RAdam {
    const STATE: &'static [&'static str] = &["mu", "nu"];
    const READS_NUM_STEPS: bool = false;

    fn first_state(&self) -> f64 {
        0.0
    }

    fn step(&self, Common { t, constants, .. }: Common, p: &mut f64, g: f64, state: &mut [f64]) {
        let [lr, eps, threshold] = [self.lr, self.eps, self.threshold].map(|x| constants.literal(x));
        Decay::literal(self.beta1, constants).update(&mut state[0], g);
        Decay::literal(self.beta2, constants).update(&mut state[1], g * g);
        let m = state[0] / constants.one_minus_power(self.beta1, t);
        let v = state[1] / constants.one_minus_power(self.beta2, t);
        let limit = constants.literal(2.0 / (1.0 - self.beta2) - 1.0);
        let power = constants.literal(constants.literal(self.beta2).powf(t));
        let rho = limit - 2.0 * t * power / constants.one_minus_power(self.beta2, t);
        if rho >= threshold {
            let rect = (rho - 4.0) * (rho - 2.0) * limit / ((limit - 4.0) * (limit - 2.0) * rho);
            *p -= lr * rect.sqrt() * m / (v.sqrt() + eps);
        } else {
            *p -= lr * m;
        }
    }
}
