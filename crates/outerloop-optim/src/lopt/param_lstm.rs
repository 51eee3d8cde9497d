//! `param_lstm`: an LSTM for every parameter, with a direction and a magnitude.
//!
//! p ← p − o₀·e^(expMult·o₁)·stepMult, o = linear(LSTM(x)); x is the gradient as in `l2l_lstm`. The first state is learned.
//!
//! # References
//! "LSTM" of figure 2a in Metz, Maheswaranathan, Freeman, Poole, Sohl-Dickstein 2020, arXiv:2009.11243: 64 units,
//! direction and magnitude. Inputs and initialisers are not published and ours; no published numbers exist: an f64 twin
//! only.

use super::engine::param_cell::{Cell, INPUTS, Layer, state_layout};
use super::engine::param_rnn::Move;
use super::engine::param_rnn_bound::{Bound, Weights, macs};
use crate::error::Result;
use crate::optim::options::options;
use crate::optim::{Config, Cost, LeafInit, Needs, Optimizer, Theta, ThetaSpec, Update};
use crate::params::{ParamLayout, TensorSpec};
use std::sync::Arc;

/// Direction and magnitude.
const OUTPUTS: usize = 2;

options! {
    /// An LSTM for every parameter, with direction and magnitude ("LSTM" of Metz et al. 2020, figure 2a).
    pub struct ParamLstmConfig {
        /// Units of the LSTM; the state has two floats a parameter for each.
        hidden: usize = 64 => Range::integer(1, 256);
        /// Factor of every step. Too large diverges at the start of meta-training, too small never moves.
        step_mult: f64 = 0.001 => Range::Positive;
        /// Factor inside the exponential that sets a step's magnitude; 0 switches that output off.
        exp_mult: f64 = 0.001 => Range::NonNegative;
        /// Gradients from e^−this on are seen by their logarithms.
        log_range: f64 = 10.0 => Range::between(0.1, 80.0);
    }
}

impl Config for ParamLstmConfig {
    fn build(self) -> Result<Arc<dyn Optimizer>> {
        Ok(Arc::new(ParamLstm::new(self)))
    }
}

/// The optimizer as an immutable value.
pub struct ParamLstm {
    config: ParamLstmConfig,
    theta: ThetaSpec,
}

impl ParamLstm {
    /// With the given size and scales; their ranges are the caller's to check.
    pub fn new(config: ParamLstmConfig) -> Self {
        let h = config.hidden;
        let leaf = |name: &str, shape: &[usize], init| (TensorSpec::new(name, shape), init);
        let truncated = |inputs: usize| LeafInit::TruncatedNormal(1.0 / (inputs as f64).sqrt());
        let theta = ThetaSpec {
            leaves: vec![
                leaf("lstm_init_state/hidden", &[h], LeafInit::Zero),
                leaf("lstm_init_state/cell", &[h], LeafInit::Zero),
                leaf("rnn/linear/b", &[4 * h], LeafInit::Zero),
                leaf("rnn/linear/w", &[INPUTS + h, 4 * h], truncated(INPUTS + h)),
                leaf("rnn_to_step/b", &[OUTPUTS], LeafInit::Zero),
                leaf("rnn_to_step/w", &[h, OUTPUTS], truncated(h)),
            ],
        };
        Self { config, theta }
    }
}

impl Optimizer for ParamLstm {
    fn theta_spec(&self) -> &ThetaSpec {
        &self.theta
    }

    fn state_layout(&self, params: &ParamLayout) -> Option<ParamLayout> {
        state_layout(params, Cell::Lstm, 1, self.config.hidden)
    }

    fn bind(&self, theta: Theta, params: &ParamLayout) -> Result<Box<dyn Update>> {
        self.theta.check(&theta)?;
        let leaf = |name: &str| self.theta.leaf(&theta, name).to_vec();
        let c = &self.config;
        let weights = Weights {
            cell: Cell::Lstm,
            hidden: c.hidden,
            layers: vec![Layer { w: leaf("rnn/linear/w"), b: leaf("rnn/linear/b") }],
            w: leaf("rnn_to_step/w"),
            b: leaf("rnn_to_step/b"),
            initial: [leaf("lstm_init_state/hidden"), leaf("lstm_init_state/cell")].concat(),
        };
        let step = Move::Subtract { step: c.step_mult as f32, exp_mult: c.exp_mult as f32 };
        Ok(Box::new(Bound::new(weights, c.log_range, step, params)))
    }

    fn cost(&self) -> Cost {
        let hidden = self.config.hidden;
        Cost { state_floats: Cell::Lstm.arrays() * hidden, macs: macs(Cell::Lstm, 1, hidden, OUTPUTS) }
    }

    fn needs(&self) -> Needs {
        Needs::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counted by hand: 4·64·(2 + 64 + 1) of the cell, 65·2 of the output, 2·64 of the first state.
    #[test]
    fn theta_has_as_many_weights_as_the_table() {
        let config: ParamLstmConfig = serde_json::from_str("{}").expect("defaults");
        let optimizer = ParamLstm::new(config);
        assert_eq!(optimizer.theta.len(), 17_410);
        assert_eq!(optimizer.cost(), Cost { state_floats: 128, macs: 17_024 });
    }
}
