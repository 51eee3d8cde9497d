//! The small per-parameter network on momenta (`mlp_lopt`).
//!
//! Metz, Maheswaranathan, Nixon, Freeman, Sohl-Dickstein 2018, "Understanding and correcting pathologies in the
//! training of learned optimizers", arXiv:1810.10180; reference implementation google/learned_optimization (32186aa),
//! `learned_optimizers/mlp_lopt.py` with two hidden layers. One difference: time features are computed in f64.

use super::ReferenceOptimizer;
use super::accumulators::accumulate;
use super::constants::{Constants, Decay};
use super::primitives::{Dense, normalise_columns, step_by_network, tanh_embedding};
use super::tensor::Tensor;
use super::theta::ThetaReader;
use crate::error::Result;
use crate::params::TensorSpec;

/// Decays of the momenta.
const DECAYS: [f64; 6] = [0.1, 0.5, 0.9, 0.99, 0.999, 0.9999];
/// Inputs of the network: gradient, parameter, six momenta, and 11 of the time embedding.
const NUM_FEATURES: usize = 19;

/// Hyperparameters of [`MlpLopt`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct MlpLoptConfig {
    /// Width of the two hidden layers.
    pub hidden: usize,
    /// Factor of every step.
    pub step_mult: f64,
    /// Factor in the exponent of every step.
    pub exp_mult: f64,
}

impl Default for MlpLoptConfig {
    fn default() -> Self {
        Self { hidden: 32, step_mult: 0.001, exp_mult: 0.001 }
    }
}

/// p ← p − o₀·exp(exp_mult·o₁)·step_mult, o being the output of a ReLU network on gradient, parameter and momenta.
#[derive(Clone, Debug)]
pub struct MlpLopt {
    step_mult: f64,
    exp_mult: f64,
    decays: Vec<Decay>,
    layers: Vec<Dense>,
    momentum: Vec<Tensor>,
    iteration: Tensor,
}

impl MlpLopt {
    /// Length of a flat theta: H² + 23·H + 2.
    pub fn theta_length(hidden: usize) -> usize {
        hidden * hidden + 23 * hidden + 2
    }

    /// With zero momenta. Theta's leaves in order: linear_0/b\[H\], linear_0/w\[19, H\], linear_1/b\[H\],
    /// linear_1/w\[H, H\], linear_2/b\[2\], linear_2/w\[H, 2\].
    /// # Errors
    /// `ShapeMismatch` if `theta` has another length than [`Self::theta_length`].
    pub fn new(
        config: MlpLoptConfig,
        theta: &[f32],
        specs: &[TensorSpec],
        constants: Constants,
    ) -> Result<Self> {
        let h = config.hidden;
        let mut leaves = ThetaReader::new(theta, Self::theta_length(h))?;
        let mut layer = |inputs: usize, outputs: usize| {
            let b = leaves.take(outputs);
            Dense { w: leaves.take(inputs * outputs), b }
        };
        Ok(Self {
            step_mult: constants.literal(config.step_mult),
            exp_mult: constants.literal(config.exp_mult),
            decays: DECAYS.iter().map(|&b| Decay::array(b, constants)).collect(),
            layers: vec![layer(NUM_FEATURES, h), layer(h, h), layer(h, 2)],
            momentum: Tensor::per_param("rolling_features|m", specs, &[DECAYS.len()]),
            iteration: Tensor::scalar("iteration", 0.0),
        })
    }

    /// Feeds the momenta of one tensor and returns its normalised features.
    /// # Shapes
    /// `[num_params][8]`.
    fn features(&mut self, tensor: usize, p: &[f64], g: &[f64]) -> Vec<Vec<f64>> {
        let momentum = &mut self.momentum[tensor].data;
        accumulate(momentum, &self.decays, g.iter().copied());
        let row = |(i, m): (usize, &[f64])| [&[g[i], p[i]], m].concat();
        let mut rows: Vec<Vec<f64>> = momentum.chunks_exact(DECAYS.len()).enumerate().map(row).collect();
        normalise_columns(&mut rows, 1e-5);
        rows
    }
}

impl ReferenceOptimizer for MlpLopt {
    fn step(&mut self, params: &mut [Tensor], grads: &[Tensor], _loss: f64, _valid_loss: Option<f64>) {
        let time = tanh_embedding(self.iteration.item());
        for (tensor, (p, g)) in params.iter_mut().zip(grads).enumerate() {
            let features = self.features(tensor, &p.data, &g.data);
            step_by_network(&self.layers, &features, &time, &mut p.data, self.step_mult, self.exp_mult);
        }
        self.iteration.data[0] += 1.0;
    }

    fn state(&self) -> Vec<&Tensor> {
        self.momentum.iter().chain([&self.iteration]).collect()
    }

    fn state_mut(&mut self) -> Vec<&mut Tensor> {
        self.momentum.iter_mut().chain([&mut self.iteration]).collect()
    }
}
