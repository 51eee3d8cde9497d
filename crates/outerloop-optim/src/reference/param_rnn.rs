//! Recurrent networks that are run for every parameter by itself: `l2l_gru`, `l2l_lstm` (Andrychowicz, Denil, Gomez,
//! Hoffman, Pfau, Schaul, Shillingford, de Freitas 2016, arXiv:1606.04474) and `param_lstm` (figure 2a of Metz,
//! Maheswaranathan, Freeman, Poole, Sohl-Dickstein 2020, arXiv:2009.11243). Cells as in Haiku; no implementation is
//! followed.

use super::ReferenceOptimizer;
use super::constants::Constants;
use super::primitives::{Dense, lstm_cell, magnitude_step};
use super::tensor::Tensor;
use super::theta::ThetaReader;
use crate::error::Result;
use crate::params::TensorSpec;

/// Which network, with the factor in the exponent of the one that has a magnitude.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Network {
    /// Two GRU layers: p ← p + step_mult·o.
    L2lGru,
    /// Two LSTM layers: p ← p + step_mult·o.
    L2lLstm,
    /// An LSTM with a learned first state: p ← p − o₀·exp(exp_mult·o₁)·step_mult.
    ParamLstm {
        /// Factor in the exponent of every step.
        exp_mult: f64,
    },
}

/// Hyperparameters of [`ParamRnn`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ParamRnnConfig {
    /// Which network.
    pub network: Network,
    /// Units of every layer.
    pub hidden: usize,
    /// Factor of every step.
    pub step_mult: f64,
    /// Gradients from e^−this on are seen by their logarithms.
    pub log_range: f64,
}

/// A layer's weights.
#[derive(Clone, Debug)]
enum Layer {
    /// Input weights with the bias, and weights of the state, both for z, r, a.
    Gru(Dense, Dense),
    Lstm(Dense),
}

impl Layer {
    /// One step; the output is the new `h`.
    fn step(&self, x: &[f64], h: &mut [f64], c: &mut [f64]) {
        let (of_input, of_state) = match self {
            Self::Lstm(gates) => return lstm_cell(gates, x, h, c),
            Self::Gru(of_input, of_state) => (of_input, of_state),
        };
        let sigmoid = |x: f64| 1.0 / (1.0 + (-x).exp());
        let n = h.len();
        let (input, state) = (of_input.apply(x), of_state.apply(h));
        let gate = |k: usize| sigmoid(input[k] + state[k]);
        let reset: Vec<f64> = (0..n).map(|k| gate(n + k) * h[k]).collect();
        let from_reset = of_state.apply(&reset);
        let new: Vec<f64> = (0..n)
            .map(|k| {
                let a = (input[2 * n + k] + from_reset[2 * n + k]).tanh();
                (1.0 - gate(k)) * h[k] + gate(k) * a
            })
            .collect();
        h.copy_from_slice(&new);
    }
}

/// Recurrent layers on (ln|g|/range, sign g), or (−1, e^range·g) for |g| < e^−range, and a linear one.
#[derive(Clone, Debug)]
pub struct ParamRnn {
    config: ParamRnnConfig,
    layers: Vec<Layer>,
    output: Dense,
    /// `[layer][unit][tensor]`.
    hidden: Vec<Vec<Vec<Tensor>>>,
    /// Likewise; no units in a GRU.
    cell: Vec<Vec<Vec<Tensor>>>,
    /// e^−range and e^range.
    bounds: [f64; 2],
    iteration: Tensor,
}

impl ParamRnn {
    /// Length of a flat theta.
    pub fn theta_length(network: Network, hidden: usize) -> usize {
        let h = hidden;
        match network {
            Network::L2lGru => 3 * h * (2 + h + 1) + 3 * h * (h + h + 1) + h + 1,
            Network::L2lLstm => 4 * h * (2 + h + 1) + 4 * h * (h + h + 1) + h + 1,
            Network::ParamLstm { .. } => 2 * h + 4 * h * (2 + h + 1) + 2 * (h + 1),
        }
    }

    /// The state before the first step. Theta's leaves in order: (`ParamLstm`: first hidden, first cell;) of every layer b
    /// and, of a GRU, the state's and the inputs' weights, of an LSTM those of both; b and w of the output.
    /// # Errors
    /// `ShapeMismatch` if `theta` has another length than [`Self::theta_length`].
    pub fn new(
        config: ParamRnnConfig,
        theta: &[f32],
        specs: &[TensorSpec],
        constants: Constants,
    ) -> Result<Self> {
        let h = config.hidden;
        let mut leaves = ThetaReader::new(theta, Self::theta_length(config.network, h))?;
        let has_cells = config.network != Network::L2lGru;
        let (initial, num_layers, outputs) = match config.network {
            Network::ParamLstm { .. } => ([leaves.take(h), leaves.take(h)], 1, 2),
            _ => ([vec![0.0; h], vec![0.0; h]], 2, 1),
        };
        let mut layers = vec![];
        for layer in 0..num_layers {
            let inputs = if layer == 0 { 2 } else { h };
            layers.push(if has_cells {
                let b = leaves.take(4 * h);
                Layer::Lstm(Dense { w: leaves.take((inputs + h) * 4 * h), b })
            } else {
                let b = leaves.take(3 * h);
                let of_state = Dense { w: leaves.take(h * 3 * h), b: vec![0.0; 3 * h] };
                Layer::Gru(Dense { w: leaves.take(inputs * 3 * h), b }, of_state)
            });
        }
        let b = leaves.take(outputs);
        let output = Dense { w: leaves.take(h * outputs), b };
        let unit = |name: &str, layer: usize, unit: usize, value: f64| -> Vec<Tensor> {
            let tensor = |s: &TensorSpec| {
                Tensor::filled(format!("{name}{layer}_{unit}|{}", s.name), s.shape.clone(), value)
            };
            specs.iter().map(tensor).collect()
        };
        let array = |name: &str, units: usize, initial: &[f64]| -> Vec<Vec<Vec<Tensor>>> {
            (0..num_layers).map(|l| (0..units).map(|k| unit(name, l, k, initial[k])).collect()).collect()
        };
        let mut rounded = config;
        rounded.step_mult = constants.literal(config.step_mult);
        rounded.log_range = constants.literal(config.log_range);
        if let Network::ParamLstm { exp_mult } = &mut rounded.network {
            *exp_mult = constants.literal(*exp_mult);
        }
        Ok(Self {
            hidden: array("hidden", h, &initial[0]),
            cell: array("cell", if has_cells { h } else { 0 }, &initial[1]),
            bounds: [-rounded.log_range, rounded.log_range].map(|x| constants.literal(x.exp())),
            config: rounded,
            layers,
            output,
            iteration: Tensor::scalar("iteration", 0.0),
        })
    }

    /// The network's outputs for element `i` of a tensor.
    fn outputs(&mut self, tensor: usize, i: usize, g: f64) -> Vec<f64> {
        let [small, large] = self.bounds;
        let mut x = if g.abs() < small {
            vec![-1.0, large * g]
        } else {
            vec![g.abs().ln() / self.config.log_range, g.signum()]
        };
        for (l, layer) in self.layers.iter().enumerate() {
            let read =
                |units: &[Vec<Tensor>]| -> Vec<f64> { units.iter().map(|u| u[tensor].data[i]).collect() };
            let (mut h, mut c) = (read(&self.hidden[l]), read(&self.cell[l]));
            layer.step(&x, &mut h, &mut c);
            for (units, values) in [(&mut self.hidden[l], &h), (&mut self.cell[l], &c)] {
                for (unit, &value) in units.iter_mut().zip(values) {
                    unit[tensor].data[i] = value;
                }
            }
            x = h;
        }
        self.output.apply(&x)
    }
}

impl ReferenceOptimizer for ParamRnn {
    fn step(&mut self, params: &mut [Tensor], grads: &[Tensor], _loss: f64, _valid_loss: Option<f64>) {
        for (tensor, (p, g)) in params.iter_mut().zip(grads).enumerate() {
            for (i, p) in p.data.iter_mut().enumerate() {
                let out = self.outputs(tensor, i, g.data[i]);
                match self.config.network {
                    Network::L2lGru | Network::L2lLstm => *p += self.config.step_mult * out[0],
                    Network::ParamLstm { exp_mult } => {
                        *p -= magnitude_step(&out, self.config.step_mult, exp_mult);
                    }
                }
            }
        }
        self.iteration.data[0] += 1.0;
    }

    fn state(&self) -> Vec<&Tensor> {
        let units = self.hidden.iter().chain(&self.cell).flatten().flatten();
        units.chain([&self.iteration]).collect()
    }

    fn state_mut(&mut self) -> Vec<&mut Tensor> {
        let units = self.hidden.iter_mut().chain(&mut self.cell).flatten().flatten();
        units.chain([&mut self.iteration]).collect()
    }
}
