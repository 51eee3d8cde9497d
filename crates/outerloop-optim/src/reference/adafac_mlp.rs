//! The small per-parameter network on Adafactor-style features (`adafac_mlp_lopt`, also `small_fc_lopt`).
//!
//! Metz, Harrison, Freeman, Merchant, Beyer, Bradbury, Agrawal, Poole, Mordatch, Roberts, Sohl-Dickstein 2022,
//! "VeLO", arXiv:2211.09760, appendix; reference implementation google/learned_optimization (32186aa),
//! `learned_optimizers/adafac_mlp_lopt.py` with its default flags. One difference: time features are
//! computed in f64.

use super::ReferenceOptimizer;
use super::accumulators::{FactoredMoment, accumulate};
use super::constants::{Constants, Decay};
use super::primitives::{Dense, normalise_columns, rsqrt, step_by_network, tanh_embedding};
use super::tensor::Tensor;
use super::theta::ThetaReader;
use crate::error::Result;
use crate::params::TensorSpec;

/// Decays of momentum and factored moments before the learned offsets.
const DECAYS: [f64; 3] = [0.9, 0.99, 0.999];
/// Decay of the unfactored second moment before the learned offset.
const RMS_DECAY: f64 = 0.999;
/// Inputs of the network: 28 normalised ones and 11 of the time embedding.
const NUM_FEATURES: usize = 39;

/// Hyperparameters of [`AdafacMlp`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdafacMlpConfig {
    /// Width of the two hidden layers.
    pub hidden: usize,
    /// Factor of every step.
    pub step_mult: f64,
    /// Factor in the exponent of every step.
    pub exp_mult: f64,
}

impl Default for AdafacMlpConfig {
    fn default() -> Self {
        Self { hidden: 4, step_mult: 0.001, exp_mult: 0.001 }
    }
}

/// p ← p − o₀·exp(exp_mult·o₁)·step_mult, o being the output of a ReLU network on features of the parameter.
#[derive(Clone, Debug)]
pub struct AdafacMlp {
    step_mult: f64,
    exp_mult: f64,
    momentum_decays: Vec<Decay>,
    rms_decay: Decay,
    factored_decays: Vec<Decay>,
    pub(super) layers: Vec<Dense>,
    pub(super) momentum: Vec<Tensor>,
    pub(super) rms: Vec<Tensor>,
    factored: Vec<FactoredMoment>,
    pub(super) iteration: Tensor,
}

impl AdafacMlp {
    /// Length of a flat theta: H² + 43·H + 9.
    pub fn theta_length(hidden: usize) -> usize {
        hidden * hidden + 43 * hidden + 9
    }

    /// With zero accumulators. Theta's leaves in order: adafactor_decays\[3\], momentum_decays\[3\], b0\[H\],
    /// b1\[H\], b2\[2\], w0\[39, H\], w1\[H, H\], w2\[H, 2\], rms_decays\[1\].
    /// # Errors
    /// `ShapeMismatch` if `theta` has another length than [`Self::theta_length`].
    pub fn new(
        config: AdafacMlpConfig,
        theta: &[f32],
        specs: &[TensorSpec],
        constants: Constants,
    ) -> Result<Self> {
        Self::with_outputs(config, 2, theta, specs, constants)
    }

    /// [`AdafacMlp::new`] for a network with another number of outputs, each with H + 1 numbers of theta.
    pub(super) fn with_outputs(
        config: AdafacMlpConfig,
        outputs: usize,
        theta: &[f32],
        specs: &[TensorSpec],
        constants: Constants,
    ) -> Result<Self> {
        let h = config.hidden;
        let length = Self::theta_length(h) + (outputs - 2) * (h + 1);
        let mut leaves = ThetaReader::new(theta, length)?;
        let (factored, momentum) = (leaves.take(3), leaves.take(3));
        let b = [leaves.take(h), leaves.take(h), leaves.take(outputs)];
        let w = [leaves.take(NUM_FEATURES * h), leaves.take(h * h), leaves.take(h * outputs)];
        let rms = leaves.take(1)[0];
        let learned = |beta0: f64, offset: f64| Decay::learned(beta0, offset, constants);
        Ok(Self {
            step_mult: constants.literal(config.step_mult),
            exp_mult: constants.literal(config.exp_mult),
            momentum_decays: DECAYS.iter().zip(momentum).map(|(&b, o)| learned(b, o)).collect(),
            rms_decay: learned(RMS_DECAY, rms).clamped(constants),
            factored_decays: DECAYS
                .iter()
                .zip(factored)
                .map(|(&b, o)| learned(b, o).clamped(constants))
                .collect(),
            layers: w.into_iter().zip(b).map(|(w, b)| Dense { w, b }).collect(),
            momentum: Tensor::per_param("mom_rolling|m", specs, &[DECAYS.len()]),
            rms: Tensor::per_param("rms_rolling|rms", specs, &[1]),
            factored: specs
                .iter()
                .map(|s| FactoredMoment::new("fac_rolling_features", s, DECAYS.len()))
                .collect(),
            iteration: Tensor::scalar("iteration", 0.0),
        })
    }

    /// Feeds the accumulators of one tensor and returns its normalised features.
    /// # Shapes
    /// `[num_params][28]`.
    pub(super) fn features(&mut self, tensor: usize, p: &[f64], g: &[f64]) -> Vec<Vec<f64>> {
        let (momentum, rms) = (&mut self.momentum[tensor].data, &mut self.rms[tensor].data);
        accumulate(momentum, &self.momentum_decays, g.iter().copied());
        accumulate(rms, &[self.rms_decay], g.iter().map(|g| g * g));
        let factored = &mut self.factored[tensor];
        let view = factored.update(g, &self.factored_decays);
        let is_factored = factored.diag.data.is_empty();
        let mut rows = vec![];
        for i in 0..p.len() {
            let (m, v) = (&momentum[3 * i..3 * i + 3], rms[i]);
            let (row, col, scale) = (&view.row[i], &view.col[i], &view.scale[i]);
            let s = rsqrt(v + 1e-6);
            let mut f = vec![g[i], p[i]];
            f.extend(m);
            f.push(v);
            f.extend(m.iter().map(|m| m * s));
            f.push(s);
            f.extend(scale.iter().map(|scale| g[i] * scale));
            f.extend(row);
            f.extend(col);
            f.extend(row.iter().map(|r| rsqrt(r + 1e-8)));
            f.extend(col.iter().map(|c| rsqrt(c + 1e-8)));
            // Without factors the momentum is scaled by the whole second moment, with an epsilon of its own.
            f.extend((0..3).map(|k| m[k] * if is_factored { scale[k] } else { rsqrt(row[k] + 1e-6) }));
            rows.push(f);
        }
        normalise_columns(&mut rows, 1e-5);
        rows
    }
}

impl ReferenceOptimizer for AdafacMlp {
    fn step(&mut self, params: &mut [Tensor], grads: &[Tensor], _loss: f64, _valid_loss: Option<f64>) {
        let time = tanh_embedding(self.iteration.item());
        for (tensor, (p, g)) in params.iter_mut().zip(grads).enumerate() {
            let features = self.features(tensor, &p.data, &g.data);
            step_by_network(&self.layers, &features, &time, &mut p.data, self.step_mult, self.exp_mult);
        }
        self.iteration.data[0] += 1.0;
    }

    fn state(&self) -> Vec<&Tensor> {
        let factored = self.factored.iter().flat_map(|f| [&f.row, &f.col, &f.diag]);
        let all = self.momentum.iter().chain(&self.rms).chain(factored.filter(|t| !t.data.is_empty()));
        all.chain([&self.iteration]).collect()
    }

    fn state_mut(&mut self) -> Vec<&mut Tensor> {
        let factored = self.factored.iter_mut().flat_map(|f| [&mut f.row, &mut f.col, &mut f.diag]);
        let all =
            self.momentum.iter_mut().chain(&mut self.rms).chain(factored.filter(|t| !t.data.is_empty()));
        all.chain([&mut self.iteration]).collect()
    }
}
