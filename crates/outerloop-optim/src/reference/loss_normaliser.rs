//! Running mean and variance of a loss (the hierarchical optimizer's).

use super::constants::{Constants, Decay};
use super::primitives::{clip, rsqrt};
use super::tensor::Tensor;

/// Standardises a loss by its running mean and variance.
///
/// mean ← d·mean + (1 − d)·loss; then var ← d·var + (1 − d)·(mean − loss)², with the new, *uncorrected* mean. Both are
/// read through the bias correction κ = 1/(1 − dᵘ + 1e-8), u being the number of updates.
#[derive(Clone, Debug)]
pub struct LossNormaliser {
    decay: Decay,
    constants: Constants,
    mean: Tensor,
    var: Tensor,
    updates: Tensor,
}

impl LossNormaliser {
    /// An empty normaliser of decay `d`; its state is named `group|mean`, `group|var`, `group|updates`.
    pub fn new(group: &str, d: f64, constants: Constants) -> Self {
        let scalar = |item: &str| Tensor::scalar(format!("{group}|{item}"), 0.0);
        let decay = Decay::literal(d, constants);
        Self { decay, constants, mean: scalar("mean"), var: scalar("var"), updates: scalar("updates") }
    }

    /// Feeds a loss.
    pub fn update(&mut self, loss: f64) {
        self.decay.update(&mut self.mean.data[0], loss);
        self.decay.update(&mut self.var.data[0], (self.mean.item() - loss).powi(2));
        self.updates.data[0] += 1.0;
    }

    /// Bias-corrected mean of the losses; 0 before the first.
    pub fn corrected_mean(&self) -> f64 {
        if self.is_empty() { 0.0 } else { self.correction() * self.mean.item() }
    }

    /// (loss − mean)/deviation, held to [−5, 5].
    pub fn standardise(&self, loss: f64) -> f64 {
        let scale = rsqrt(self.correction() * self.var.item() + 1e-8);
        clip((loss - self.corrected_mean()) * scale, -5.0, 5.0)
    }

    /// Whether no loss was ever fed.
    pub fn is_empty(&self) -> bool {
        self.updates.item() == 0.0
    }

    /// The state.
    pub fn state(&self) -> [&Tensor; 3] {
        [&self.mean, &self.var, &self.updates]
    }

    /// The state, to be overwritten.
    pub fn state_mut(&mut self) -> [&mut Tensor; 3] {
        [&mut self.mean, &mut self.var, &mut self.updates]
    }

    fn correction(&self) -> f64 {
        1.0 / (self.constants.one_minus_power(self.decay.beta, self.updates.item()) + 1e-8)
    }
}
