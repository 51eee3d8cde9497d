//! LAMB (You et al. 2019, arXiv:1904.00962), in optax's form.

use super::ReferenceOptimizer;
use super::constants::{Constants, Decay};
use super::primitives::norm;
use super::tensor::Tensor;
use crate::params::TensorSpec;

/// Hyperparameters of [`Lamb`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LambConfig {
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
    /// Parameters in the direction.
    pub weight_decay: f64,
}

/// r = m̂/(√(v̂ + eps_root) + eps) + wd·p with Adam's moments; p ← p − lr·(‖p‖/‖r‖)·r for every tensor, the ratio being 1
/// where either norm is 0.
#[derive(Clone, Debug)]
pub struct Lamb {
    config: LambConfig,
    constants: Constants,
    iteration: Tensor,
    mu: Vec<Tensor>,
    nu: Vec<Tensor>,
}

impl Lamb {
    /// With zero moments.
    pub fn new(config: LambConfig, specs: &[TensorSpec], constants: Constants) -> Self {
        let iteration = Tensor::scalar("iteration", 0.0);
        let (mu, nu) = (Tensor::per_param("mu", specs, &[]), Tensor::per_param("nu", specs, &[]));
        Self { config, constants, iteration, mu, nu }
    }
}

/// `ratio`, or 1 where a norm is 0.
pub(super) fn trust_ratio(p_norm: f64, direction_norm: f64, ratio: f64) -> f64 {
    if p_norm == 0.0 || direction_norm == 0.0 { 1.0 } else { ratio }
}

impl ReferenceOptimizer for Lamb {
    fn step(&mut self, params: &mut [Tensor], grads: &[Tensor], _loss: f64, _valid_loss: Option<f64>) {
        let Self { config, constants, .. } = *self;
        let first = Decay::literal(config.beta1, constants);
        let second = Decay::literal(config.beta2, constants);
        let [lr, eps, eps_root, decay] =
            [config.lr, config.eps, config.eps_root, config.weight_decay].map(|x| constants.literal(x));
        self.iteration.data[0] += 1.0;
        let first_correction = constants.one_minus_power(config.beta1, self.iteration.item());
        let second_correction = constants.one_minus_power(config.beta2, self.iteration.item());
        for (tensor, (p, g)) in params.iter_mut().zip(grads).enumerate() {
            let mut direction = vec![];
            for (i, (&p, &g)) in p.data.iter().zip(&g.data).enumerate() {
                let (m, v) = (&mut self.mu[tensor].data[i], &mut self.nu[tensor].data[i]);
                first.update(m, g);
                second.update(v, g * g);
                let root = (*v / second_correction + eps_root).sqrt() + eps;
                let adam = if root == 0.0 { 0.0 } else { *m / first_correction / root };
                direction.push(adam + decay * p);
            }
            let (p_norm, norm) = (norm(&p.data), norm(&direction));
            let ratio = trust_ratio(p_norm, norm, p_norm / norm);
            p.data.iter_mut().zip(&direction).for_each(|(p, d)| *p -= lr * ratio * d);
        }
    }

    fn state(&self) -> Vec<&Tensor> {
        std::iter::once(&self.iteration).chain(&self.mu).chain(&self.nu).collect()
    }

    fn state_mut(&mut self) -> Vec<&mut Tensor> {
        std::iter::once(&mut self.iteration).chain(&mut self.mu).chain(&mut self.nu).collect()
    }
}
