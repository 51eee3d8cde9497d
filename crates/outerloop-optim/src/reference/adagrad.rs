//! AdaGrad (Duchi, Hazan, Singer 2011), in optax's form.

use super::elementwise::{Common, ElementRule};

/// a ← a + g²; p ← p − lr·g/√(a + eps), or no step where a is 0.
#[derive(Clone, Copy, Debug)]
pub struct AdaGrad {
    /// Learning rate.
    pub lr: f64,
    /// a at first.
    pub initial_accumulator: f64,
    /// Added under the root.
    pub eps: f64,
}

impl ElementRule for AdaGrad {
    const STATE: &'static [&'static str] = &["sum_of_squares"];
    const READS_NUM_STEPS: bool = false;

    fn first_state(&self) -> f64 {
        self.initial_accumulator
    }

    fn step(&self, Common { constants, .. }: Common, p: &mut f64, g: f64, state: &mut [f64]) {
        state[0] += g * g;
        if state[0] > 0.0 {
            *p -= constants.literal(self.lr) * g / (state[0] + constants.literal(self.eps)).sqrt();
        }
    }
}
