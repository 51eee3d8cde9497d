//! VeLO: an LSTM over the tensors mixes, for every tensor and step, the weights of a tiny per-parameter MLP from a bank.
//!
//! p ← p − λ·o₀·√(mean p² + 1e-9)·exp(exp_mult·o₁)·step_mult, o being the MLP's output on features of the parameter and λ
//! the LSTM's on features of the tensor, of time and of the loss.
//!
//! # References
//! Metz, Harrison, Freeman, Merchant, Beyer, Bradbury, Agrawal, Poole, Mordatch, Roberts, Sohl-Dickstein 2022, "VeLO:
//! training versatile learned optimizers by scaling up", arXiv:2211.09760. Reference implementation:
//! google/learned_optimization, research/general_lopt/hyper_v2.py, 32186aa. Differences: normalisers and everything
//! constant over a row or column are folded into the first layer (rounding only); time features are computed in f64.
//! `ffMult` is that of amoudgl/celo, 66d9761. Left out are options that are off by default there: a validation feature,
//! decay of the LSTM's state, other scales of the step. Averaging of gradients beyond 150,000 steps and weight decay are
//! wrappers there and not part of the rule.

use super::bank::{self, MACS};
use super::bound::{Bound, Kind, Sizes};
use crate::error::Result;
use crate::lopt::engine::factored::DECAYS;
use crate::lopt::engine::{factored_rule, hyper_lstm};
use crate::optim::options::options;
use crate::optim::{Config, Cost, Needs, Optimizer, Overwrites, Theta, ThetaSpec, Update};
use crate::params::{ParamLayout, TensorSpec};
use std::sync::Arc;

/// Features of a tensor: shared ones, and its own.
const INPUTS: usize = hyper_lstm::SHARED + super::statistics::FEATURES;

options! {
    /// VeLO (Metz et al. 2022, arXiv:2211.09760): an LSTM over the tensors mixes the weights of a tiny per-parameter
    /// MLP from a bank. Sizes are those of the released weights.
    pub struct VeloConfig {
        /// State size of the LSTM.
        lstm_hidden: usize = 512 => Range::integer(1, 4096);
        /// Networks in the bank.
        param_inits: usize = 256 => Range::integer(1, 4096);
        /// Factor of every step.
        step_mult: f64 = 0.001 => Range::Positive;
        /// Factor inside the exponential that sets a step's magnitude; 0 switches that output off.
        exp_mult: f64 = 0.001 => Range::NonNegative;
        /// Factor of the mixed weights: 100 in Google's weights, 1 in those that Celo was compared with.
        ff_mult: f64 = 100.0 => Range::Positive;
        /// Whether the loss is averaged over ten steps ten times instead of over ten horizons: weights depend on it.
        bugged_loss_features: bool => Range::Flag;
        /// Whether the LSTM starts every step from its first state: weights depend on it.
        bugged_next_lstm_state: bool => Range::Flag;
    }
}

impl Config for VeloConfig {
    fn build(self) -> Result<Arc<dyn Optimizer>> {
        Ok(Arc::new(Velo::new(self)))
    }
}

/// The optimizer as an immutable value.
pub struct Velo {
    config: VeloConfig,
    theta: ThetaSpec,
}

impl Velo {
    /// With the given sizes and scales; their ranges are the caller's to check.
    pub fn new(config: VeloConfig) -> Self {
        let theta = theta_spec(INPUTS, config.lstm_hidden, config.param_inits);
        Self { config, theta }
    }
}

/// Theta of VeLO and Celo: the bank, then the LSTM.
pub(in crate::lopt) fn theta_spec(inputs: usize, lstm_hidden: usize, inits: usize) -> ThetaSpec {
    let mut leaves = bank::leaves(inits);
    leaves.extend(hyper_lstm::leaves(inputs, lstm_hidden, Some(inits)));
    ThetaSpec { leaves }
}

/// State of VeLO and Celo: the tensors', then that of the LSTM, which has so many rows.
pub(in crate::lopt) fn state_layout(
    params: &ParamLayout,
    rows: usize,
    lstm_hidden: usize,
) -> Option<ParamLayout> {
    let tensors = |spec: &TensorSpec| factored_rule::state_arrays(spec, DECAYS);
    let mut arrays: Vec<_> = params.specs().iter().flat_map(tensors).collect();
    arrays.extend(hyper_lstm::state_arrays(rows, lstm_hidden));
    ParamLayout::new(arrays).ok()
}

/// The cost of VeLO and Celo, without the LSTM.
pub(in crate::lopt) const COST: Cost = Cost { state_floats: DECAYS + 1, macs: MACS };

impl Optimizer for Velo {
    fn theta_spec(&self) -> &ThetaSpec {
        &self.theta
    }

    fn state_layout(&self, params: &ParamLayout) -> Option<ParamLayout> {
        state_layout(params, params.num_tensors(), self.config.lstm_hidden)
    }

    fn bind(&self, theta: Theta, params: &ParamLayout) -> Result<Box<dyn Update>> {
        self.theta.check(&theta)?;
        let c = &self.config;
        let kind = Kind::Velo {
            factor: c.ff_mult as f32 / c.param_inits as f32,
            bugged_loss: c.bugged_loss_features,
            bugged_state: c.bugged_next_lstm_state,
        };
        let sizes =
            Sizes { inits: c.param_inits, step_mult: c.step_mult as f32, exp_mult: c.exp_mult as f32 };
        Ok(Box::new(Bound::new(&self.theta, &theta, params, kind, sizes)))
    }

    fn cost(&self) -> Cost {
        COST
    }

    fn needs(&self) -> Needs {
        Needs { loss: true, num_steps: true, overwrites_grads: Overwrites::Above(1000.0), ..Needs::default() }
    }
}
