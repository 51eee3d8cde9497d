//! NN-Adam: Adam whose constants an LSTM per tensor steers (a baseline of Metz, Maheswaranathan, Freeman, Poole,
//! Sohl-Dickstein 2020, arXiv:2009.11243; google/learned_optimization, 32186aa, `learned_optimizers/nn_adam.py`).

use super::ReferenceOptimizer;
use super::constants::{Constants, Decay};
use super::primitives::{Dense, clip, clipped_log_abs, lstm_cell, mean, sign, variance};
use super::tensor::Tensor;
use super::theta::ThetaReader;
use crate::error::Result;
use crate::params::TensorSpec;

/// Inputs of the LSTM.
const NUM_FEATURES: usize = 19;

/// Hyperparameters of [`NnAdam`]; where the learned constants start is theta.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct NnAdamConfig {
    /// Factor of what the LSTM adds to the constants.
    pub output_scale: f64,
    /// Share of their way back to the first ones that the constants go in every step.
    pub decay_strength: f64,
    /// State size of the LSTM.
    pub lstm_hidden: usize,
}

/// A tensor's constants as they are kept: a tenth of the logarithm of the rate, of 1 − β₁, 1 − β₂ and ε.
#[derive(Clone, Copy, Debug)]
struct Controls {
    lr: f64,
    beta1: f64,
    beta2: f64,
    eps: f64,
}

impl Controls {
    /// Every field through `f`.
    fn map(self, mut f: impl FnMut(f64) -> f64) -> Self {
        Self { lr: f(self.lr), beta1: f(self.beta1), beta2: f(self.beta2), eps: f(self.eps) }
    }
}

/// m ← β₁m + (1 − β₁)g; v ← β₂v + (1 − β₂)g²; p ← p − lr·(1 + ε)/(ε + √(v + 1e-10))·m, with g clipped to ±1000 and
/// constants of every tensor, which its LSTM moves after the step.
#[derive(Clone, Debug)]
pub struct NnAdam {
    config: NnAdamConfig,
    constants: Constants,
    initial: Controls,
    lstm: Dense,
    to_controls: Dense,
    momentum: Vec<Tensor>,
    rms: Vec<Tensor>,
    /// Rate, β₁, β₂, ε of every tensor.
    controls: [Vec<Tensor>; 4],
    hidden: Tensor,
    cell: Tensor,
    iteration: Tensor,
}

impl NnAdam {
    /// Length of a flat theta: 4·H² + 86·H + 8.
    pub fn theta_length(hidden: usize) -> usize {
        4 * hidden * hidden + 86 * hidden + 8
    }

    /// The state before the first step. Theta's leaves in order: initial hidden and cell; β₁, β₂, ε and rate as they
    /// are kept; LSTM b, w; controls b, w.
    /// # Errors
    /// `ShapeMismatch` if `theta` has another length than [`Self::theta_length`].
    pub fn new(
        config: NnAdamConfig,
        theta: &[f32],
        specs: &[TensorSpec],
        constants: Constants,
    ) -> Result<Self> {
        let h = config.lstm_hidden;
        let mut leaves = ThetaReader::new(theta, Self::theta_length(h))?;
        let (hidden, cell) = (leaves.take(h), leaves.take(h));
        let [beta1, beta2, eps, lr] = [0; 4].map(|_| leaves.take(1)[0]);
        let mut dense = |inputs: usize, outputs: usize| {
            let b = leaves.take(outputs);
            Dense { w: leaves.take(inputs * outputs), b }
        };
        let n = specs.len();
        let control = |name: &str, value: f64| -> Vec<Tensor> {
            specs.iter().map(|s| Tensor::scalar(format!("per_layer_{name}|{}", s.name), value)).collect()
        };
        Ok(Self {
            config: NnAdamConfig {
                output_scale: constants.literal(config.output_scale),
                decay_strength: constants.literal(config.decay_strength),
                ..config
            },
            constants,
            initial: Controls { lr, beta1, beta2, eps },
            lstm: dense(NUM_FEATURES + h, 4 * h),
            to_controls: dense(h, 4),
            momentum: Tensor::per_param("rolling_features|m", specs, &[]),
            rms: Tensor::per_param("rolling_features|rms", specs, &[]),
            controls: [
                control("lr", lr),
                control("beta1", beta1),
                control("beta2", beta2),
                control("epsilon", eps),
            ],
            hidden: Tensor::new("lstm_hidden_state|hidden", [n, h], hidden.repeat(n)),
            cell: Tensor::new("lstm_hidden_state|cell", [n, h], cell.repeat(n)),
            iteration: Tensor::scalar("iteration", 0.0),
        })
    }

    fn controls_of(&self, tensor: usize) -> Controls {
        let [lr, beta1, beta2, eps] = self.controls.each_ref().map(|c| c[tensor].item());
        Controls { lr, beta1, beta2, eps }
    }

    /// What the constants mean: (lr, β₁, β₂, ε). Every operation rounds where constants are rounded, because 1 − β keeps
    /// only the digits that β has.
    fn meant(&self, kept: Controls) -> (f64, Decay, Decay, f64) {
        let c = self.constants;
        let exponent = kept.map(|x| c.literal(10.0 * x));
        let power = |x: f64, low: f64, high: f64| clip(c.literal(x.exp()), c.literal(low), c.literal(high));
        let decay = |x: f64| Decay::array(c.complement(c.literal(clip(x, -10.0, 0.0).exp())), c);
        let Controls { lr, beta1, beta2, eps } = exponent;
        (power(lr, 1e-8, 1e3), decay(beta1), decay(beta2), power(eps, 1e-11, 1e4))
    }

    /// The constants after the LSTM added `deltas`, within their ranges.
    fn moved(&self, kept: Controls, deltas: &[f64]) -> Controls {
        let mut deltas = deltas.iter();
        let sum = kept.map(|x| x + self.config.output_scale * deltas.next().unwrap_or(&0.0));
        let back =
            |x: f64, initial: f64| self.constants.literal(x - self.config.decay_strength * (x - initial));
        let pulled = Controls {
            lr: back(sum.lr, self.initial.lr),
            beta1: back(sum.beta1, self.initial.beta1),
            beta2: back(sum.beta2, self.initial.beta2),
            eps: back(sum.eps, self.initial.eps),
        };
        let (lr, beta1, beta2, eps) = self.meant(pulled);
        let tenth = self.constants.literal(0.1);
        let logs = Controls { lr, beta1: beta1.complement, beta2: beta2.complement, eps };
        logs.map(|x| tenth * self.constants.literal(x.ln()))
    }

    /// Inputs of a tensor's LSTM, in the order of the published names.
    fn features(kept: Controls, p: &Tensor, g: &[f64], m: &[f64], v: &[f64]) -> Vec<f64> {
        let bounded = |x: f64| 0.2 * clip(x, -5.0, 5.0);
        let size = |x: f64| 0.5 * clipped_log_abs(x);
        let flag = |is: bool| if is { 1.0 } else { -1.0 };
        let sizes: Vec<f64> = g.iter().map(|g| g.abs()).collect();
        vec![
            bounded(kept.beta1),
            bounded(kept.beta2),
            bounded(kept.eps),
            flag(p.shape.len() == 1),
            flag(p.shape.is_empty()),
            bounded(kept.lr),
            size(mean(g)),
            sign(mean(g)),
            size(mean(&sizes)),
            size(mean(m)),
            sign(mean(m)),
            size(mean(&p.data)),
            sign(mean(&p.data)),
            size(mean(v)),
            sign(mean(v)),
            size(variance(g)),
            size(variance(m)),
            size(variance(&p.data)),
            size(variance(v)),
        ]
    }
}

impl ReferenceOptimizer for NnAdam {
    fn step(&mut self, params: &mut [Tensor], grads: &[Tensor], _loss: f64, _valid_loss: Option<f64>) {
        let h = self.config.lstm_hidden;
        let floor = self.constants.literal(1e-10);
        for (tensor, p) in params.iter_mut().enumerate() {
            let g: Vec<f64> = grads[tensor].data.iter().map(|&g| clip(g, -1000.0, 1000.0)).collect();
            let kept = self.controls_of(tensor);
            let (lr, beta1, beta2, eps) = self.meant(kept);
            let (m, v) = (&mut self.momentum[tensor].data, &mut self.rms[tensor].data);
            let old = p.clone();
            for i in 0..g.len() {
                beta1.update(&mut m[i], g[i]);
                beta2.update(&mut v[i], g[i] * g[i]);
                p.data[i] -= lr * (1.0 + eps) / (eps + (v[i] + floor).sqrt()) * m[i];
            }
            let features = Self::features(kept, &old, &g, m, v);
            let row = tensor * h..(tensor + 1) * h;
            let hidden = &mut self.hidden.data[row.clone()];
            lstm_cell(&self.lstm, &features, hidden, &mut self.cell.data[row]);
            let deltas = self.to_controls.apply(hidden);
            let moved = self.moved(kept, &deltas);
            let values = [moved.lr, moved.beta1, moved.beta2, moved.eps];
            for (control, value) in self.controls.iter_mut().zip(values) {
                control[tensor].set_item(value);
            }
        }
        self.iteration.data[0] += 1.0;
    }

    fn state(&self) -> Vec<&Tensor> {
        let per_tensor = self.momentum.iter().chain(&self.rms).chain(self.controls.iter().flatten());
        per_tensor.chain([&self.hidden, &self.cell, &self.iteration]).collect()
    }

    fn state_mut(&mut self) -> Vec<&mut Tensor> {
        let per_tensor =
            self.momentum.iter_mut().chain(&mut self.rms).chain(self.controls.iter_mut().flatten());
        per_tensor.chain([&mut self.hidden, &mut self.cell, &mut self.iteration]).collect()
    }
}
