//! The LSTM that schedules VeLO, Celo and Celo-Adam: one row of features and of state for every tensor.
//!
//! Metz et al. 2022, arXiv:2211.09760; reference implementation google/learned_optimization (32186aa),
//! `research/general_lopt/hyper_v2.py`.

use super::loss_buffer::LossBuffer;
use super::primitives::{Dense, lstm_cell, relu};
use super::tensor::Tensor;
use super::theta::ThetaReader;

/// Where the fraction of training done is compared.
const FRACTIONS: [f64; 9] = [0.03, 0.1, 0.2, 0.4, 0.6, 0.8, 0.9, 1.0, 1.1];

/// Features that all tensors share: tanh(10·(t/num_steps − a)) for nine a, then the loss's.
pub fn shared_features(iteration: f64, num_steps: f64, losses: &LossBuffer) -> Vec<f64> {
    let fraction = iteration / num_steps;
    let mut features: Vec<f64> = FRACTIONS.iter().map(|a| (10.0 * (fraction - a)).tanh()).collect();
    features.extend(losses.features());
    features
}

/// y = x·W₂ + b₂ + max over the tensors of relu(x·W₁ + b₁), and an LSTM on y.
#[derive(Clone, Debug)]
pub struct HyperLstm {
    mix: Dense,
    input: Dense,
    gates: Dense,
    /// From a row's output to the weights of the bank; without rows where there is no bank.
    pub controls: Dense,
    /// From a row's output to its tensor's rate.
    pub step_size: Dense,
    hidden: Tensor,
    cell: Tensor,
}

impl HyperLstm {
    /// Length of its part of a flat theta.
    pub fn theta_length(inputs: usize, hidden: usize, controls: Option<usize>) -> usize {
        let dense = |inputs: usize, outputs: usize| (inputs + 1) * outputs;
        2 * hidden
            + 3 * dense(inputs, hidden)
            + dense(2 * hidden, 4 * hidden)
            + controls.map_or(0, |controls| dense(hidden, controls))
            + dense(hidden, 1)
    }

    /// The first state. Leaves in order: initial hidden, initial cell; b, w of `linear` (which no formula reads), of
    /// `linear_1`, `linear_2`, of the LSTM, of the controls, of the step size.
    pub(super) fn new(
        leaves: &mut ThetaReader<'_>,
        inputs: usize,
        hidden: usize,
        controls: Option<usize>,
        num_tensors: usize,
    ) -> Self {
        let (first_hidden, first_cell) = (leaves.take(hidden), leaves.take(hidden));
        let mut dense = |inputs: usize, outputs: usize| {
            let b = leaves.take(outputs);
            Dense { w: leaves.take(inputs * outputs), b }
        };
        dense(inputs, hidden);
        let state = |item: &str, first: Vec<f64>| {
            let shape = [num_tensors, hidden];
            Tensor::new(format!("lstm_hidden_state|{item}"), shape, first.repeat(num_tensors))
        };
        Self {
            mix: dense(inputs, hidden),
            input: dense(inputs, hidden),
            gates: dense(2 * hidden, 4 * hidden),
            controls: controls.map_or(Dense { w: vec![], b: vec![] }, |controls| dense(hidden, controls)),
            step_size: dense(hidden, 1),
            hidden: state("hidden", first_hidden),
            cell: state("cell", first_cell),
        }
    }

    /// Outputs of all rows. The state that is kept is the one before if `keeps_old_state`.
    /// # Shapes
    /// `features: [num_tensors][inputs]`; returns `[num_tensors][hidden]`.
    pub fn step(&mut self, features: &[Vec<f64>], keeps_old_state: bool) -> Vec<Vec<f64>> {
        let size = self.mix.b.len();
        let mut mixed = vec![f64::NEG_INFINITY; size];
        for row in features {
            for (max, x) in mixed.iter_mut().zip(self.mix.apply(row)) {
                let x = relu(x);
                if x > *max || x.is_nan() {
                    *max = x;
                }
            }
        }
        let (mut hidden, mut cell) = (self.hidden.data.clone(), self.cell.data.clone());
        for (tensor, row) in features.iter().enumerate() {
            let y: Vec<f64> = self.input.apply(row).iter().zip(&mixed).map(|(y, m)| y + m).collect();
            let at = tensor * size..(tensor + 1) * size;
            lstm_cell(&self.gates, &y, &mut hidden[at.clone()], &mut cell[at]);
        }
        let outputs = hidden.chunks(size).map(<[f64]>::to_vec).collect();
        if !keeps_old_state {
            (self.hidden.data, self.cell.data) = (hidden, cell);
        }
        outputs
    }

    /// The state.
    pub fn state(&self) -> [&Tensor; 2] {
        [&self.hidden, &self.cell]
    }

    /// The state, to be overwritten.
    pub fn state_mut(&mut self) -> [&mut Tensor; 2] {
        [&mut self.hidden, &mut self.cell]
    }
}
