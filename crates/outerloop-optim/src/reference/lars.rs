//! LARS (You, Gitman, Ginsburg 2017, arXiv:1708.03888), in optax's form.

use super::ReferenceOptimizer;
use super::constants::Constants;
use super::lamb::trust_ratio;
use super::primitives::norm;
use super::tensor::Tensor;
use crate::params::TensorSpec;

/// Hyperparameters of [`Lars`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct LarsConfig {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the sum of steps.
    pub momentum: f64,
    /// Parameters in the direction.
    pub weight_decay: f64,
    /// Factor of the ratio of norms.
    pub trust_coefficient: f64,
    /// Added to the norm of the direction.
    pub eps: f64,
}

/// u = g + wd·p; u ← −lr·trust·‖p‖/(‖u‖ + eps)·u for every tensor, or −lr·u where either norm is 0; τ ← u + momentum·τ;
/// p ← p + τ.
#[derive(Clone, Debug)]
pub struct Lars {
    config: LarsConfig,
    constants: Constants,
    iteration: Tensor,
    trace: Vec<Tensor>,
}

impl Lars {
    /// With a zero trace.
    pub fn new(config: LarsConfig, specs: &[TensorSpec], constants: Constants) -> Self {
        let iteration = Tensor::scalar("iteration", 0.0);
        Self { config, constants, iteration, trace: Tensor::per_param("trace", specs, &[]) }
    }
}

impl ReferenceOptimizer for Lars {
    fn step(&mut self, params: &mut [Tensor], grads: &[Tensor], _loss: f64, _valid_loss: Option<f64>) {
        let LarsConfig { lr, momentum, weight_decay, trust_coefficient, eps } = self.config;
        let [lr, momentum, decay, trust, eps] =
            [lr, momentum, weight_decay, trust_coefficient, eps].map(|x| self.constants.literal(x));
        self.iteration.data[0] += 1.0;
        for ((p, g), trace) in params.iter_mut().zip(grads).zip(&mut self.trace) {
            let u: Vec<f64> = p.data.iter().zip(&g.data).map(|(p, g)| g + decay * p).collect();
            let (p_norm, u_norm) = (norm(&p.data), norm(&u));
            let ratio = trust_ratio(p_norm, u_norm, trust * p_norm / (u_norm + eps));
            for ((p, u), trace) in p.data.iter_mut().zip(&u).zip(&mut trace.data) {
                *trace = -lr * ratio * u + momentum * *trace;
                *p += *trace;
            }
        }
    }

    fn state(&self) -> Vec<&Tensor> {
        std::iter::once(&self.iteration).chain(&self.trace).collect()
    }

    fn state_mut(&mut self) -> Vec<&mut Tensor> {
        std::iter::once(&mut self.iteration).chain(&mut self.trace).collect()
    }
}
