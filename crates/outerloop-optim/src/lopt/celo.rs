//! Celo: VeLO's per-parameter MLP with one set of weights for all tensors, and a learned schedule of the step.
//!
//! p ← p − λ·o₀·√(mean p² + 1e-9)·exp(exp_mult·o₁)·step_mult, λ = 0.1·exp(the LSTM's step size) in phase 2 and 1 in
//! phase 1, which trains the MLP alone. The LSTM sees time and loss, which are the same for every tensor: one row is
//! computed. A bank of several networks is mixed with weights that a softmax of the LSTM's output gives.
//!
//! # References
//! Moudgil, Knyazev, Lajoie, Belilovsky 2025, "Celo: training versatile learned optimizers on a compute diet",
//! arXiv:2501.12670. Reference implementation: amoudgl/celo, celo/optimizers/celo.py, 66d9761. Differences: as
//! [`super::Velo`].

use super::engine::hyper_lstm::SHARED;
use super::velo::{Bound, Kind, Sizes};
use super::velo::{COST, state_layout, theta_spec};
use crate::error::Result;
use crate::optim::options::options;
use crate::optim::{Config, Cost, Needs, Optimizer, Overwrites, Theta, ThetaSpec, Update};
use crate::params::ParamLayout;
use std::sync::Arc;

options! {
    /// Celo (Moudgil et al. 2025, arXiv:2501.12670): VeLO's MLP with one set of weights, and a learned schedule.
    pub struct CeloConfig {
        /// 1: the MLP alone, as it is trained first; 2: with the schedule.
        phase: u8 => Range::integer(1, 2);
        /// State size of the LSTM.
        lstm_hidden: usize = 64 => Range::integer(1, 4096);
        /// Networks in the bank; with more than one, the LSTM mixes them.
        param_inits: usize = 1 => Range::integer(1, 4096);
        /// Factor of every step.
        step_mult: f64 = 0.001 => Range::Positive;
        /// Factor inside the exponential that sets a step's magnitude; 0 switches that output off.
        exp_mult: f64 = 0.001 => Range::NonNegative;
    }
}

impl Config for CeloConfig {
    fn build(self) -> Result<Arc<dyn Optimizer>> {
        Ok(Arc::new(Celo::new(self)))
    }
}

/// The optimizer as an immutable value.
pub struct Celo {
    config: CeloConfig,
    theta: ThetaSpec,
}

impl Celo {
    /// With the given sizes and scales; their ranges are the caller's to check.
    pub fn new(config: CeloConfig) -> Self {
        let theta = theta_spec(SHARED, config.lstm_hidden, config.param_inits);
        Self { config, theta }
    }
}

impl Optimizer for Celo {
    fn theta_spec(&self) -> &ThetaSpec {
        &self.theta
    }

    fn state_layout(&self, params: &ParamLayout) -> Option<ParamLayout> {
        state_layout(params, 1, self.config.lstm_hidden)
    }

    fn bind(&self, theta: Theta, params: &ParamLayout) -> Result<Box<dyn Update>> {
        self.theta.check(&theta)?;
        let c = &self.config;
        let kind = Kind::Celo { is_scheduled: c.phase == 2 };
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
