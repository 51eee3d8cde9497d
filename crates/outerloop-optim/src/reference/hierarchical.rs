//! The hierarchical learned optimizer: a network per parameter, steered by an LSTM per tensor (`rnn_mlp_lopt`).
//!
//! Metz, Maheswaranathan, Freeman, Poole, Sohl-Dickstein 2020, arXiv:2009.11243; reference implementation
//! google/learned_optimization (32186aa), `learned_optimizers/rnn_mlp_lopt.py`.
//!
//! [`Variant::Library`] follows the library, with two differences: time features are computed in f64, and the corrected
//! mean of a loss normaliser that was never fed is 0 by definition (in f32 the library's formula says the same eagerly
//! and 0·∞ when compiled).
//! [`Variant::Paper`] adds what only the paper has: parameters of a hundred steps ago as a feature, a clip after
//! normalisation, learned constants of the gradient clipper; validation losses do not advance the time, and a
//! validation loss that was never fed is a zero input. Where the paper is silent (order of the added channel, bound
//! of the clip, names of the two constants) the choice is ours.

use super::ReferenceOptimizer;
use super::accumulators::accumulate;
use super::constants::{Constants, Decay};
use super::gradient_clipper::GradientClipper;
use super::loss_normaliser::LossNormaliser;
use super::old_params::{OldParams, OldParamsMode};
use super::primitives::{
    Dense, clip, clipped_log_abs, lstm_cell, magnitude_step, mean, norm, normalise_columns, relu_network,
    rsqrt, sign, sine_embedding, variance,
};
use super::tensor::Tensor;
use super::theta::ThetaReader;
use crate::error::Result;
use crate::params::TensorSpec;

const DECAYS: [f64; 5] = [0.5, 0.9, 0.99, 0.999, 0.9999];
/// LSTM inputs besides the two recurrent summaries.
const NUM_TENSOR_FEATURES: usize = 18;

/// Which form of the optimizer.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Variant {
    /// As in google/learned_optimization.
    Library,
    /// As in the paper.
    Paper {
        /// How the old parameters are kept.
        old_params: OldParamsMode,
        /// Bound of the normalised features.
        feature_clip: f64,
        /// Decay of the training loss normaliser.
        train_loss_decay: f64,
        /// Decay of the validation loss normaliser.
        valid_loss_decay: f64,
    },
}

/// Hyperparameters of [`Hierarchical`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct HierarchicalConfig {
    /// Which form of the optimizer.
    pub variant: Variant,
    /// Factor of every step.
    pub step_mult: f64,
    /// Factor in the exponent of every step.
    pub exp_mult: f64,
    /// Width of the two hidden layers of the per-parameter network.
    pub hidden: usize,
    /// Outputs of the per-parameter network that its tensor's LSTM sees next time, averaged over the tensor.
    pub from_mlp: usize,
    /// Outputs of the LSTMs that all LSTMs see next time, averaged over tensors.
    pub from_lstm: usize,
    /// Outputs of the LSTM that the per-parameter network sees.
    pub lstm_to_ff: usize,
    /// Width of the LSTM.
    pub lstm_hidden: usize,
}

impl HierarchicalConfig {
    /// The published sizes for a variant.
    pub fn new(variant: Variant) -> Self {
        Self {
            variant,
            step_mult: 0.001,
            exp_mult: 0.001,
            hidden: 32,
            from_mlp: 16,
            from_lstm: 18,
            lstm_to_ff: 17,
            lstm_hidden: 64,
        }
    }

    /// Length of a flat theta: 35,799 in the library's default sizes, 35,833 in the paper's.
    pub fn theta_length(&self) -> usize {
        let dense = |inputs: usize, outputs: usize| (inputs + 1) * outputs;
        let h = self.lstm_hidden;
        let ff = dense(self.num_features(), self.hidden) + dense(self.hidden, self.hidden);
        let clipper = if self.variant == Variant::Library { 0 } else { 2 };
        clipper
            + ff
            + dense(self.hidden, 2 + self.from_mlp)
            + self.from_lstm
            + self.from_mlp
            + 2 * h
            + dense(self.num_lstm_inputs() + h, 4 * h)
            + dense(h, self.lstm_to_ff)
            + dense(h, self.from_lstm)
    }

    /// Per-parameter inputs: 23 normalised (24 with the old parameter), 11 of time, 3 of the tensor, the LSTM's.
    fn num_features(&self) -> usize {
        let normalised = if self.variant == Variant::Library { 23 } else { 24 };
        normalised + 11 + 3 + self.lstm_to_ff
    }

    fn num_lstm_inputs(&self) -> usize {
        self.from_lstm + self.from_mlp + NUM_TENSOR_FEATURES
    }
}

/// The optimizer; [`ReferenceOptimizer::step`] is its whole algorithm.
#[derive(Clone, Debug)]
pub struct Hierarchical {
    config: HierarchicalConfig,
    decays: Vec<Decay>,
    layers: Vec<Dense>,
    lstm: Dense,
    lstm_to_ff: Dense,
    lstm_to_lstm: Dense,
    clipper: GradientClipper,
    train_loss: LossNormaliser,
    valid_loss: LossNormaliser,
    momentum: Vec<Tensor>,
    rms: Vec<Tensor>,
    iteration: Tensor,
    hidden: Tensor,
    cell: Tensor,
    from_mlp: Vec<Tensor>,
    from_lstm: Tensor,
    old_params: Option<OldParams>,
}

impl Hierarchical {
    /// The state before the first step. Theta's leaves in order: (paper only: clip_log_mult,
    /// clip_log_one_minus_decay,) per-parameter network b0, w0, b1, w1, b2, w2; initial_from_lstm, initial_from_mlp;
    /// initial hidden, initial cell; LSTM b, w; LSTM to network b, w; LSTM to LSTMs b, w.
    /// # Errors
    /// `ShapeMismatch` if `theta` has another length than [`HierarchicalConfig::theta_length`].
    pub fn new(
        config: HierarchicalConfig,
        theta: &[f32],
        specs: &[TensorSpec],
        constants: Constants,
    ) -> Result<Self> {
        let mut leaves = ThetaReader::new(theta, config.theta_length())?;
        let (clipper, train_decay, valid_decay, old_params) = match config.variant {
            Variant::Library => {
                (GradientClipper::new(Decay::literal(0.99, constants), 10.0, constants), 0.9, 0.95, None)
            }
            Variant::Paper { old_params, train_loss_decay, valid_loss_decay, .. } => {
                let (log_mult, log_one_minus_decay) = (leaves.take(1)[0], leaves.take(1)[0]);
                let alpha = clip(constants.complement(log_one_minus_decay.exp()), 0.0, 1.0 - 1e-6);
                let clipper = GradientClipper::new(
                    Decay::array(alpha, constants),
                    constants.literal(log_mult.exp()),
                    constants,
                );
                (clipper, train_loss_decay, valid_loss_decay, Some(OldParams::new(old_params, specs)))
            }
        };
        let mut dense = |inputs: usize, outputs: usize| {
            let b = leaves.take(outputs);
            Dense { w: leaves.take(inputs * outputs), b }
        };
        let h = config.lstm_hidden;
        let layers = vec![
            dense(config.num_features(), config.hidden),
            dense(config.hidden, config.hidden),
            dense(config.hidden, 2 + config.from_mlp),
        ];
        let (from_lstm, from_mlp) = (leaves.take(config.from_lstm), leaves.take(config.from_mlp));
        let (hidden, cell) = (leaves.take(h), leaves.take(h));
        let mut dense = |inputs: usize, outputs: usize| {
            let b = leaves.take(outputs);
            Dense { w: leaves.take(inputs * outputs), b }
        };
        let n = specs.len();
        let step_mult = constants.literal(config.step_mult);
        let exp_mult = constants.literal(config.exp_mult);
        Ok(Self {
            config: HierarchicalConfig { step_mult, exp_mult, ..config },
            decays: DECAYS.iter().map(|&b| Decay::array(b, constants)).collect(),
            layers,
            lstm: dense(config.num_lstm_inputs() + h, 4 * h),
            lstm_to_ff: dense(h, config.lstm_to_ff),
            lstm_to_lstm: dense(h, config.from_lstm),
            clipper,
            train_loss: LossNormaliser::new("train_loss_accum", train_decay, constants),
            valid_loss: LossNormaliser::new("valid_loss_accum", valid_decay, constants),
            momentum: Tensor::per_param("mom_rolling|m", specs, &[DECAYS.len()]),
            rms: Tensor::per_param("rms_rolling|rms", specs, &[DECAYS.len()]),
            iteration: Tensor::scalar("iteration", 0.0),
            hidden: Tensor::new("lstm_hidden_state|hidden", [n, h], hidden.repeat(n)),
            cell: Tensor::new("lstm_hidden_state|cell", [n, h], cell.repeat(n)),
            from_mlp: specs
                .iter()
                .map(|s| Tensor::new(format!("from_mlp|{}", s.name), [config.from_mlp], from_mlp.clone()))
                .collect(),
            from_lstm: Tensor::new("from_lstm", [config.from_lstm], from_lstm),
            old_params,
        })
    }

    /// Standardised training and validation loss, both by the training loss's statistics.
    fn loss_features(&mut self, loss: f64) -> [f64; 2] {
        self.train_loss.update(loss);
        let valid = if self.valid_loss.is_empty() && self.config.variant != Variant::Library {
            0.0
        } else {
            self.train_loss.standardise(self.valid_loss.corrected_mean())
        };
        [self.train_loss.standardise(loss), valid]
    }

    /// LSTM inputs of one tensor. Moments are pooled over parameters and decays.
    fn tensor_features(&self, tensor: usize, p: &Tensor, g: &[f64], losses: [f64; 2]) -> Vec<f64> {
        let (m, v) = (&self.momentum[tensor].data, &self.rms[tensor].data);
        let mut f = [&self.from_lstm.data[..], &self.from_mlp[tensor].data].concat();
        f.push(clipped_log_abs(norm(g)));
        f.push(if p.shape.is_empty() { 1.0 } else { -1.0 });
        for x in [m, v, &p.data] {
            f.extend([clipped_log_abs(mean(x)), sign(mean(x))]);
        }
        f.push(clipped_log_abs(norm(&p.data)));
        f.extend((0..4).map(|axis| (p.shape.get(axis).copied().unwrap_or(1) as f64).ln() - 1.0));
        f.extend(losses);
        f.extend([m, v, &p.data].map(|x| clipped_log_abs(variance(x))));
        f
    }

    /// Normalised features of one tensor's parameters.
    /// # Shapes
    /// `[num_params][23 or 24]`.
    fn param_features(&self, tensor: usize, p: &[f64], g: &[f64], old: Option<&[f64]>) -> Vec<Vec<f64>> {
        let mut rows = vec![];
        for i in 0..p.len() {
            let range = DECAYS.len() * i..DECAYS.len() * (i + 1);
            let (m, v) = (&self.momentum[tensor].data[range.clone()], &self.rms[tensor].data[range]);
            let mut f = vec![g[i], p[i]];
            f.extend(old.map(|old| old[i]));
            f.push((p[i].abs() + 1e-8).ln());
            f.extend(m);
            f.extend(v);
            f.extend(m.iter().zip(v).map(|(m, v)| m * rsqrt(v + 1e-6)));
            f.extend(v.iter().map(|v| rsqrt(v + 1e-6)));
            rows.push(f);
        }
        normalise_columns(&mut rows, 1e-5);
        if let Variant::Paper { feature_clip, .. } = self.config.variant {
            rows.iter_mut().flatten().for_each(|x| *x = clip(*x, -feature_clip, feature_clip));
        }
        rows
    }
}

impl ReferenceOptimizer for Hierarchical {
    fn step(&mut self, params: &mut [Tensor], grads: &[Tensor], loss: f64, valid_loss: Option<f64>) {
        if let Some(loss) = valid_loss {
            self.valid_loss.update(loss);
            if self.config.variant == Variant::Library {
                self.iteration.data[0] += 1.0;
            }
        }
        let losses = self.loss_features(loss);
        let grads = self.clipper.clip(grads);
        for (tensor, g) in grads.iter().enumerate() {
            accumulate(&mut self.momentum[tensor].data, &self.decays, g.data.iter().copied());
            accumulate(&mut self.rms[tensor].data, &self.decays, g.data.iter().map(|g| g * g));
        }
        let iteration = self.iteration.item();
        let old = self.old_params.as_mut().map(|o| o.advance(iteration as usize, params));

        let h = self.config.lstm_hidden;
        for (tensor, p) in params.iter().enumerate() {
            let inputs = self.tensor_features(tensor, p, &grads[tensor].data, losses);
            let row = tensor * h..(tensor + 1) * h;
            lstm_cell(&self.lstm, &inputs, &mut self.hidden.data[row.clone()], &mut self.cell.data[row]);
        }
        let summaries: Vec<Vec<f64>> =
            self.hidden.data.chunks(h).map(|row| self.lstm_to_lstm.apply(row)).collect();
        self.from_lstm.data = column_means(&summaries);

        let time = sine_embedding(iteration);
        let num_tensors = params.len() as f64;
        for (tensor, p) in params.iter_mut().enumerate() {
            let old = old.as_ref().map(|o| &o[tensor][..]);
            let rows = self.param_features(tensor, &p.data, &grads[tensor].data, old);
            let of_tensor = [num_tensors.ln() - 1.0, (norm(&p.data) + 1e-8).ln(), (p.data.len() as f64).ln()];
            let from_lstm = self.lstm_to_ff.apply(&self.hidden.data[tensor * h..(tensor + 1) * h]);
            let mut summaries = vec![];
            for (p, f) in p.data.iter_mut().zip(&rows) {
                let out = relu_network(&self.layers, &[f, &time[..], &of_tensor, &from_lstm].concat());
                *p -= magnitude_step(&out, self.config.step_mult, self.config.exp_mult);
                summaries.push(out[2..].to_vec());
            }
            self.from_mlp[tensor].data = column_means(&summaries);
        }
        self.iteration.data[0] += 1.0;
    }

    fn state(&self) -> Vec<&Tensor> {
        let mut all: Vec<&Tensor> = vec![&self.iteration, &self.hidden, &self.cell, &self.from_lstm];
        all.extend(self.momentum.iter().chain(&self.rms).chain(&self.from_mlp));
        all.extend(self.train_loss.state());
        all.extend(self.valid_loss.state());
        all.extend(self.clipper.state());
        all.extend(self.old_params.iter().flat_map(OldParams::state));
        all
    }

    fn state_mut(&mut self) -> Vec<&mut Tensor> {
        let mut all = vec![&mut self.iteration, &mut self.hidden, &mut self.cell, &mut self.from_lstm];
        all.extend(self.momentum.iter_mut().chain(&mut self.rms).chain(&mut self.from_mlp));
        all.extend(self.train_loss.state_mut());
        all.extend(self.valid_loss.state_mut());
        all.extend(self.clipper.state_mut());
        all.extend(self.old_params.iter_mut().flat_map(OldParams::state_mut));
        all
    }
}

fn column_means(rows: &[Vec<f64>]) -> Vec<f64> {
    let columns = rows.first().map_or(0, Vec::len);
    (0..columns).map(|k| rows.iter().map(|r| r[k]).sum::<f64>() / rows.len() as f64).collect()
}

#[cfg(test)]
mod tests;
