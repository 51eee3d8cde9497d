//! Adam (Kingma, Ba 2014, arXiv:1412.6980), in optax's form with `eps_root` under the root.

use super::ReferenceOptimizer;
use super::constants::{Constants, Decay};
use super::tensor::Tensor;
use crate::params::TensorSpec;

/// Hyperparameters of [`Adam`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdamConfig {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the first moment.
    pub beta1: f64,
    /// Decay of the second moment.
    pub beta2: f64,
    /// Added to the root.
    pub eps: f64,
    /// Added under the root; google/learned_optimization's Adam has 1e-8 here.
    pub eps_root: f64,
}

impl Default for AdamConfig {
    fn default() -> Self {
        Self { lr: 0.01, beta1: 0.9, beta2: 0.999, eps: 1e-8, eps_root: 0.0 }
    }
}

/// m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²; p ← p − lr·m̂/(√(v̂ + eps_root) + eps), where m̂ = m/(1 − β₁ᵗ),
/// v̂ = v/(1 − β₂ᵗ) and t counts from 1.
#[derive(Clone, Debug)]
pub struct Adam {
    config: AdamConfig,
    constants: Constants,
    iteration: Tensor,
    mu: Vec<Tensor>,
    nu: Vec<Tensor>,
}

impl Adam {
    /// With zero moments.
    pub fn new(config: AdamConfig, specs: &[TensorSpec], constants: Constants) -> Self {
        let iteration = Tensor::scalar("iteration", 0.0);
        let (mu, nu) = (Tensor::per_param("mu", specs, &[]), Tensor::per_param("nu", specs, &[]));
        Self { config, constants, iteration, mu, nu }
    }
}

impl ReferenceOptimizer for Adam {
    fn step(&mut self, params: &mut [Tensor], grads: &[Tensor], _loss: f64, _valid_loss: Option<f64>) {
        let Self { config, constants, .. } = *self;
        let first = Decay::literal(config.beta1, constants);
        let second = Decay::literal(config.beta2, constants);
        let [lr, eps, eps_root] = [config.lr, config.eps, config.eps_root].map(|x| constants.literal(x));
        self.iteration.data[0] += 1.0;
        let first_correction = constants.one_minus_power(config.beta1, self.iteration.item());
        let second_correction = constants.one_minus_power(config.beta2, self.iteration.item());
        for (tensor, (p, g)) in params.iter_mut().zip(grads).enumerate() {
            for (i, (p, &g)) in p.data.iter_mut().zip(&g.data).enumerate() {
                let (m, v) = (&mut self.mu[tensor].data[i], &mut self.nu[tensor].data[i]);
                first.update(m, g);
                second.update(v, g * g);
                *p -= lr * (*m / first_correction) / ((*v / second_correction + eps_root).sqrt() + eps);
            }
        }
    }

    fn state(&self) -> Vec<&Tensor> {
        std::iter::once(&self.iteration).chain(&self.mu).chain(&self.nu).collect()
    }

    fn state_mut(&mut self) -> Vec<&mut Tensor> {
        std::iter::once(&mut self.iteration).chain(&mut self.mu).chain(&mut self.nu).collect()
    }
}
