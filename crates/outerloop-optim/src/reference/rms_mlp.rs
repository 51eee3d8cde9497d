//! The per-parameter network of the hierarchical optimizer without its LSTMs (`rms_mlp`; "FF" of figure 2a in Metz,
//! Maheswaranathan, Freeman, Poole, Sohl-Dickstein 2020, arXiv:2009.11243). No implementation is followed.

use super::ReferenceOptimizer;
use super::accumulators::accumulate;
use super::constants::{Constants, Decay};
use super::primitives::{Dense, norm, normalise_columns, rsqrt, sine_embedding, step_by_network};
use super::tensor::Tensor;
use super::theta::ThetaReader;
use crate::error::Result;
use crate::params::TensorSpec;

const DECAYS: [f64; 5] = [0.5, 0.9, 0.99, 0.999, 0.9999];
/// Inputs of the network: 23 normalised ones, 11 of time, 3 of the tensor.
const NUM_FEATURES: usize = 37;

/// Hyperparameters of [`RmsMlp`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RmsMlpConfig {
    /// Width of the two hidden layers.
    pub hidden: usize,
    /// Factor of every step.
    pub step_mult: f64,
    /// Factor in the exponent of every step.
    pub exp_mult: f64,
}

/// p ← p − o₀·exp(exp_mult·o₁)·step_mult, o being the output of a ReLU network on g, p, ln|p|, m, v, m·s, s, the time,
/// and the sizes of tree and tensor.
#[derive(Clone, Debug)]
pub struct RmsMlp {
    config: RmsMlpConfig,
    decays: Vec<Decay>,
    layers: Vec<Dense>,
    momentum: Vec<Tensor>,
    rms: Vec<Tensor>,
    iteration: Tensor,
}

impl RmsMlp {
    /// Length of a flat theta: H² + 41·H + 2.
    pub fn theta_length(hidden: usize) -> usize {
        hidden * hidden + 41 * hidden + 2
    }

    /// With zero accumulators. Theta's leaves in order: b0\[H\], w0\[37, H\], b1\[H\], w1\[H, H\], b2\[2\], w2\[H, 2\].
    /// # Errors
    /// `ShapeMismatch` if `theta` has another length than [`Self::theta_length`].
    pub fn new(
        config: RmsMlpConfig,
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
        let [step_mult, exp_mult] = [config.step_mult, config.exp_mult].map(|x| constants.literal(x));
        Ok(Self {
            config: RmsMlpConfig { step_mult, exp_mult, ..config },
            decays: DECAYS.iter().map(|&b| Decay::array(b, constants)).collect(),
            layers: vec![layer(NUM_FEATURES, h), layer(h, h), layer(h, 2)],
            momentum: Tensor::per_param("mom_rolling|m", specs, &[DECAYS.len()]),
            rms: Tensor::per_param("rms_rolling|rms", specs, &[DECAYS.len()]),
            iteration: Tensor::scalar("iteration", 0.0),
        })
    }

    /// Feeds the accumulators of one tensor and returns its normalised features.
    /// # Shapes
    /// `[num_params][23]`.
    fn features(&mut self, tensor: usize, p: &[f64], g: &[f64]) -> Vec<Vec<f64>> {
        let (momentum, rms) = (&mut self.momentum[tensor].data, &mut self.rms[tensor].data);
        accumulate(momentum, &self.decays, g.iter().copied());
        accumulate(rms, &self.decays, g.iter().map(|g| g * g));
        let mut rows = vec![];
        for i in 0..p.len() {
            let range = DECAYS.len() * i..DECAYS.len() * (i + 1);
            let (m, v) = (&momentum[range.clone()], &rms[range]);
            let s: Vec<f64> = v.iter().map(|v| rsqrt(v + 1e-6)).collect();
            let scaled: Vec<f64> = m.iter().zip(&s).map(|(m, s)| m * s).collect();
            rows.push([&[g[i], p[i], (p[i].abs() + 1e-8).ln()], m, v, &scaled, &s].concat());
        }
        normalise_columns(&mut rows, 1e-5);
        rows
    }
}

impl ReferenceOptimizer for RmsMlp {
    fn step(&mut self, params: &mut [Tensor], grads: &[Tensor], _loss: f64, _valid_loss: Option<f64>) {
        let num_tensors = params.len() as f64;
        let time = sine_embedding(self.iteration.item());
        for (tensor, (p, g)) in params.iter_mut().zip(grads).enumerate() {
            let rows = self.features(tensor, &p.data, &g.data);
            let sizes = [num_tensors.ln() - 1.0, (norm(&p.data) + 1e-8).ln(), (p.data.len() as f64).ln()];
            let constant = [&time[..], &sizes].concat();
            let RmsMlpConfig { step_mult, exp_mult, .. } = self.config;
            step_by_network(&self.layers, &rows, &constant, &mut p.data, step_mult, exp_mult);
        }
        self.iteration.data[0] += 1.0;
    }

    fn state(&self) -> Vec<&Tensor> {
        self.momentum.iter().chain(&self.rms).chain([&self.iteration]).collect()
    }

    fn state_mut(&mut self) -> Vec<&mut Tensor> {
        self.momentum.iter_mut().chain(&mut self.rms).chain([&mut self.iteration]).collect()
    }
}
