//! Gradient descent, plain, with momentum and with Nesterov's momentum.
//!
//! Sutskever, Martens, Dahl, Hinton 2013, "On the importance of initialization and momentum in deep learning", in
//! optax's form (google-deepmind/optax, `trace` and `sgd`): the trace is a sum, not a mean (no factor 1 − μ).

use super::ReferenceOptimizer;
use super::constants::Constants;
use super::tensor::Tensor;
use crate::params::TensorSpec;

/// Hyperparameters of [`Sgd`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct SgdConfig {
    /// Learning rate.
    pub lr: f64,
    /// Momentum μ; `None` keeps no trace.
    pub momentum: Option<f64>,
    /// Whether the step looks ahead: g + μ·trace instead of the trace.
    pub nesterov: bool,
}

/// Gradient descent: trace ← g + μ·trace; p ← p − lr·(g, trace, or g + μ·trace).
#[derive(Clone, Debug)]
pub struct Sgd {
    lr: f64,
    momentum: Option<f64>,
    nesterov: bool,
    trace: Vec<Tensor>,
}

impl Sgd {
    /// With a zero trace.
    pub fn new(config: SgdConfig, specs: &[TensorSpec], constants: Constants) -> Self {
        let momentum = config.momentum.map(|m| constants.literal(m));
        let trace = if momentum.is_some() { Tensor::per_param("trace", specs, &[]) } else { vec![] };
        Self { lr: constants.literal(config.lr), momentum, nesterov: config.nesterov, trace }
    }
}

impl ReferenceOptimizer for Sgd {
    fn step(&mut self, params: &mut [Tensor], grads: &[Tensor], _loss: f64, _valid_loss: Option<f64>) {
        for (tensor, (p, g)) in params.iter_mut().zip(grads).enumerate() {
            for (i, (p, &g)) in p.data.iter_mut().zip(&g.data).enumerate() {
                let mut direction = g;
                if let Some(mu) = self.momentum {
                    let trace = &mut self.trace[tensor].data[i];
                    *trace = g + mu * *trace;
                    direction = if self.nesterov { g + mu * *trace } else { *trace };
                }
                *p -= self.lr * direction;
            }
        }
    }

    fn state(&self) -> Vec<&Tensor> {
        self.trace.iter().collect()
    }

    fn state_mut(&mut self) -> Vec<&mut Tensor> {
        self.trace.iter_mut().collect()
    }
}
