//! VeLO and Celo: a tiny network per parameter whose weights, or whose step, an LSTM over the tensors chooses.
//!
//! VeLO: Metz et al. 2022, "VeLO: training versatile learned optimizers by scaling up", arXiv:2211.09760; reference
//! implementation google/learned_optimization (32186aa), `research/general_lopt/hyper_v2.py`. Celo: Moudgil, Knyazev,
//! Lajoie, Belilovsky 2025, arXiv:2501.12670; amoudgl/celo (66d9761), `celo/optimizers/celo.py`. One difference: time
//! features are computed in f64. Left out are options that are off by default: a validation feature, decay of the LSTM's
//! state, other scales of the step.
//!
//! Two oddities of VeLO are part of its weights: a tensor's mean square is multiplied by k = 1/√(mean p²) once and not
//! twice, and what is called its variance subtracts the mean of the momentum.

use super::ReferenceOptimizer;
use super::accumulators::{FactoredMoment, accumulate};
use super::constants::{Constants, Decay};
use super::hyper_lstm::{HyperLstm, shared_features};
use super::loss_buffer::LossBuffer;
use super::primitives::{
    Dense, clip, clipped_log_abs, magnitude_step, mean, normalise_columns, relu_network, rsqrt, safe_rsqrt,
    variance,
};
use super::tensor::Tensor;
use super::theta::ThetaReader;
use crate::error::Result;
use crate::params::TensorSpec;

/// Decays of momentum and factored moments.
const DECAYS: [f64; 3] = [0.9, 0.99, 0.999];
const RMS_DECAY: f64 = 0.999;
/// Width of the per-parameter network, and its outputs; the third has no use.
const HIDDEN: usize = 4;
const NUM_OUTPUTS: usize = 3;
/// Channels of the groups of features; theta has the groups in the order of their names as text.
const GROUPS: [usize; 14] = [1, 1, 1, 3, 1, 3, 1, 3, 1, 3, 3, 3, 3, 3];
const GROUPS_BY_NAME: [usize; 14] = [0, 1, 10, 11, 12, 13, 2, 3, 4, 5, 6, 7, 8, 9];
/// Weights of one network.
const NETWORK_LENGTH: usize = 2 * HIDDEN + NUM_OUTPUTS + 30 * HIDDEN + HIDDEN * HIDDEN + HIDDEN * NUM_OUTPUTS;

/// Which of the two.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum VeloVariant {
    /// VeLO.
    Velo {
        /// Factor of the mixed weights.
        ff_mult: f64,
        /// All horizons of the loss are 10 steps.
        bugged_loss_features: bool,
        /// The LSTM's state never changes.
        bugged_next_lstm_state: bool,
    },
    /// Celo.
    Celo {
        /// Whether the LSTM has a say: phase 2.
        is_scheduled: bool,
    },
}

/// Hyperparameters of [`Velo`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct VeloConfig {
    /// Which of the two.
    pub variant: VeloVariant,
    /// State size of the LSTM.
    pub lstm_hidden: usize,
    /// Networks in the bank.
    pub param_inits: usize,
    /// Factor of every step.
    pub step_mult: f64,
    /// Factor in the exponent of every step.
    pub exp_mult: f64,
    /// Number of updates that there will be; the state has it too.
    pub num_steps: f64,
}

impl VeloConfig {
    /// Length of a flat theta: 2,320,385 of VeLO as released, 37,089 of Celo.
    pub fn theta_length(&self) -> usize {
        self.param_inits * NETWORK_LENGTH
            + HyperLstm::theta_length(self.num_inputs(), self.lstm_hidden, Some(self.param_inits))
    }

    fn num_inputs(&self) -> usize {
        if matches!(self.variant, VeloVariant::Velo { .. }) { 30 } else { 18 }
    }
}

/// p ← p − λ·o₀·√(mean p² + 1e-9)·exp(exp_mult·o₁)·step_mult, o being the output of a ReLU network on features of the
/// parameter.
#[derive(Clone, Debug)]
pub struct Velo {
    config: VeloConfig,
    constants: Constants,
    /// Leaves b0, b1, b2, w0 by group, w1, w2, each of `param_inits` networks.
    bank: Vec<Vec<f64>>,
    lstm: HyperLstm,
    losses: LossBuffer,
    momentum: Vec<Tensor>,
    rms: Vec<Tensor>,
    factored: Vec<FactoredMoment>,
    iteration: Tensor,
    num_steps: Tensor,
}

impl Velo {
    /// Before the first step. Theta's leaves in order: the bank's b0, b1, b2, w0__0 … w0__9 by name, w1, w2, each with a
    /// leading axis of `param_inits`; then the LSTM's.
    /// # Errors
    /// `ShapeMismatch` if `theta` has another length than [`VeloConfig::theta_length`].
    pub fn new(
        config: VeloConfig,
        theta: &[f32],
        specs: &[TensorSpec],
        constants: Constants,
    ) -> Result<Self> {
        let mut leaves = ThetaReader::new(theta, config.theta_length())?;
        let n = config.param_inits;
        let mut bank: Vec<_> = [HIDDEN, HIDDEN, NUM_OUTPUTS].map(|len| leaves.take(n * len)).into();
        let mut groups = vec![vec![]; GROUPS.len()];
        for group in GROUPS_BY_NAME {
            groups[group] = leaves.take(n * GROUPS[group] * HIDDEN);
        }
        bank.extend(groups);
        bank.extend([HIDDEN * HIDDEN, HIDDEN * NUM_OUTPUTS].map(|len| leaves.take(n * len)));
        let (inputs, hidden) = (config.num_inputs(), config.lstm_hidden);
        Ok(Self {
            lstm: HyperLstm::new(&mut leaves, inputs, hidden, Some(n), specs.len()),
            losses: LossBuffer::new(constants),
            momentum: Tensor::per_param("mom_rolling|m", specs, &[DECAYS.len()]),
            rms: Tensor::per_param("rms_rolling|rms", specs, &[1]),
            factored: specs.iter().map(|s| FactoredMoment::new("fac_rolling", s, DECAYS.len())).collect(),
            iteration: Tensor::scalar("iteration", 0.0),
            num_steps: Tensor::scalar("num_steps", config.num_steps),
            bank,
            constants,
            config,
        })
    }

    /// What VeLO's LSTM sees of one tensor, from the accumulators before this step: means and variances relative to the
    /// parameters, and the number of axes.
    fn tensor_features(&self, tensor: usize, p: &Tensor) -> Vec<f64> {
        let squares: Vec<f64> = p.data.iter().map(|p| p * p).collect();
        let k = safe_rsqrt(mean(&squares));
        let scaled = |x: f64| 0.5 * clipped_log_abs(10.0 * x);
        let v: Vec<f64> = self.rms[tensor].data.iter().map(|v| v * k).collect();
        let m: Vec<Vec<f64>> = (0..DECAYS.len())
            .map(|d| self.momentum[tensor].data.iter().skip(d).step_by(DECAYS.len()).map(|m| m * k).collect())
            .collect();
        let rank = p.shape.iter().filter(|&&size| size > 1).count();
        let mut f = vec![scaled(mean(&v))];
        f.extend((0..5).map(|class| f64::from(u8::from(class == rank))));
        f.extend(m.iter().map(|m| scaled(variance(m))));
        f.extend(m.iter().map(|m| {
            let centre = mean(m);
            let squares: Vec<f64> = v.iter().map(|v| (v - centre).powi(2)).collect();
            scaled(mean(&squares))
        }));
        f
    }

    /// One tensor's network, and the factor of its steps besides the parameters' size.
    fn network(&self, output: &[f64]) -> (Vec<Dense>, f64) {
        let mut controls = self.lstm.controls.apply(output);
        let step_size = self.lstm.step_size.apply(output)[0];
        let (factor, rate) = match self.config.variant {
            VeloVariant::Velo { ff_mult, .. } => (self.constants.literal(ff_mult), step_size),
            VeloVariant::Celo { is_scheduled } => {
                let largest = controls.iter().fold(f64::NEG_INFINITY, |a, &b| a.max(b));
                controls.iter_mut().for_each(|c| *c = (*c - largest).exp());
                let sum: f64 = controls.iter().sum();
                controls.iter_mut().for_each(|c| *c /= sum);
                (1.0, if is_scheduled { 0.1 * step_size.exp() } else { 1.0 })
            }
        };
        let mixed = |leaf: &Vec<f64>| -> Vec<f64> {
            let len = leaf.len() / controls.len();
            (0..len)
                .map(|j| {
                    let terms: Vec<f64> =
                        (0..controls.len()).map(|i| controls[i] * leaf[i * len + j]).collect();
                    factor * mean(&terms)
                })
                .collect()
        };
        let leaves: Vec<_> = self.bank.iter().map(mixed).collect();
        let [b0, b1, b2] = [0, 1, 2].map(|i| leaves[i].clone());
        let w0 = leaves[3..17].concat();
        let [w1, w2] = [17, 18].map(|i| leaves[i].clone());
        (vec![Dense { w: w0, b: b0 }, Dense { w: w1, b: b1 }, Dense { w: w2, b: b2 }], rate)
    }

    /// Feeds the accumulators of one tensor and returns its normalised features, group after group.
    /// # Shapes
    /// `[num_params][30]`.
    fn features(&mut self, tensor: usize, p: &[f64], g: &[f64]) -> Vec<Vec<f64>> {
        let decays = DECAYS.map(|beta| Decay::array(beta, self.constants));
        let (momentum, rms) = (&mut self.momentum[tensor].data, &mut self.rms[tensor].data);
        accumulate(momentum, &decays, g.iter().copied());
        accumulate(rms, &[Decay::array(RMS_DECAY, self.constants)], g.iter().map(|g| g * g));
        let factored = &mut self.factored[tensor];
        let view = factored.update(g, &decays);
        let is_factored = factored.diag.data.is_empty();
        let mut rows = vec![];
        for i in 0..g.len() {
            let (m, v) = (&momentum[3 * i..3 * i + 3], rms[i]);
            let (row, col, scale) = (&view.row[i], &view.col[i], &view.scale[i]);
            let s = rsqrt(v + 1e-6);
            let mut f = vec![g[i], clip(g[i], -0.1, 0.1), p[i]];
            f.extend(m);
            f.push(v);
            f.extend(m.iter().map(|m| m * s));
            f.push(s);
            f.extend(scale.iter().map(|scale| g[i] * scale));
            f.push(g[i] * s);
            f.extend(row);
            f.extend(col);
            f.extend(row.iter().map(|r| rsqrt(r + 1e-8)));
            f.extend(col.iter().map(|c| rsqrt(c + 1e-8)));
            // Without factors the momentum is scaled by the whole second moment, without any floor.
            f.extend((0..3).map(|k| m[k] * if is_factored { scale[k] } else { rsqrt(row[k]) }));
            rows.push(f);
        }
        normalise_columns(&mut rows, 1e-5);
        rows
    }
}

impl ReferenceOptimizer for Velo {
    fn step(&mut self, params: &mut [Tensor], grads: &[Tensor], loss: f64, _valid_loss: Option<f64>) {
        let (iteration, num_steps) = (self.iteration.item(), self.num_steps.item());
        let (is_velo, bugged_loss, bugged_state) = match self.config.variant {
            VeloVariant::Velo { bugged_loss_features, bugged_next_lstm_state, .. } => {
                (true, bugged_loss_features, bugged_next_lstm_state)
            }
            VeloVariant::Celo { .. } => (false, false, false),
        };
        self.losses.update(loss, if bugged_loss { 10.0 } else { num_steps });
        let shared = shared_features(iteration, num_steps, &self.losses);
        let inputs = |(tensor, p): (usize, &Tensor)| {
            if is_velo { [&shared[..], &self.tensor_features(tensor, p)].concat() } else { shared.clone() }
        };
        let inputs: Vec<_> = params.iter().enumerate().map(inputs).collect();
        let outputs = self.lstm.step(&inputs, bugged_state);
        let [step_mult, exp_mult] =
            [self.config.step_mult, self.config.exp_mult].map(|x| self.constants.literal(x));
        for (tensor, (p, g)) in params.iter_mut().zip(grads).enumerate() {
            let (network, rate) = self.network(&outputs[tensor]);
            let g: Vec<f64> = g.data.iter().map(|&g| clip(g, -1000.0, 1000.0)).collect();
            let rows = self.features(tensor, &p.data, &g);
            let squares: Vec<f64> = p.data.iter().map(|p| p * p).collect();
            let size = (mean(&squares) + 1e-9).sqrt();
            for (p, row) in p.data.iter_mut().zip(rows) {
                *p -= rate * size * magnitude_step(&relu_network(&network, &row), step_mult, exp_mult);
            }
        }
        self.iteration.data[0] += 1.0;
    }

    fn state(&self) -> Vec<&Tensor> {
        let mut all = vec![&self.iteration, &self.num_steps];
        all.extend(self.momentum.iter().chain(&self.rms));
        let factored = self.factored.iter().flat_map(|f| [&f.row, &f.col, &f.diag]);
        all.extend(factored.filter(|t| !t.data.is_empty()));
        all.extend(self.lstm.state());
        all.extend(self.losses.state());
        all
    }

    fn state_mut(&mut self) -> Vec<&mut Tensor> {
        let mut all = vec![&mut self.iteration, &mut self.num_steps];
        all.extend(self.momentum.iter_mut().chain(&mut self.rms));
        let factored = self.factored.iter_mut().flat_map(|f| [&mut f.row, &mut f.col, &mut f.diag]);
        all.extend(factored.filter(|t| !t.data.is_empty()));
        all.extend(self.lstm.state_mut());
        all.extend(self.losses.state_mut());
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(variant: VeloVariant, lstm_hidden: usize, param_inits: usize) -> VeloConfig {
        VeloConfig { variant, lstm_hidden, param_inits, step_mult: 0.001, exp_mult: 0.001, num_steps: 100.0 }
    }

    /// Lengths of the released files, and of the library's default sizes.
    #[test]
    fn theta_is_as_long_as_published() {
        let velo =
            VeloVariant::Velo { ff_mult: 100.0, bugged_loss_features: true, bugged_next_lstm_state: true };
        for (hidden, inits, length) in [(512, 256, 2_320_385), (128, 64, 162_305), (64, 32, 46_337)] {
            assert_eq!(config(velo, hidden, inits).theta_length(), length);
        }
        assert_eq!(config(VeloVariant::Celo { is_scheduled: true }, 64, 1).theta_length(), 37_089);
        assert_eq!(HyperLstm::theta_length(18, 64, None), 36_865);
    }
}
