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

use super::hyper_lstm::SHARED;
use super::velo::{Bound, Kind, Sizes};
use super::velo::{COST, state_layout, theta_spec};
use crate::error::Result;
use crate::optim::checks::{at_least_0, expect, positive, size, thousandth};
use crate::optim::{Config, Cost, Needs, Optimizer, Overwrites, Theta, ThetaSpec, Update};
use crate::params::ParamLayout;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Sizes and scales of Celo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct CeloConfig {
    /// 1: the MLP alone, as it is trained first. 2: with the schedule.
    pub phase: u8,
    /// State size of the LSTM, 1 to 4,096.
    #[serde(default = "size_64")]
    pub lstm_hidden: usize,
    /// Networks in the bank, 1 to 4,096.
    #[serde(default = "size_1")]
    pub param_inits: usize,
    /// Factor of every step, above 0.
    #[serde(default = "thousandth")]
    pub step_mult: f64,
    /// Factor of the second output inside the exponential, at least 0.
    #[serde(default = "thousandth")]
    pub exp_mult: f64,
}

pub(super) fn size_64() -> usize {
    64
}

fn size_1() -> usize {
    1
}

impl Config for CeloConfig {
    fn checked(self) -> Result<Self> {
        expect(matches!(self.phase, 1 | 2), "phase", "1 or 2", self.phase)?;
        size("lstmHidden", self.lstm_hidden, 4096)?;
        size("paramInits", self.param_inits, 4096)?;
        positive("stepMult", self.step_mult)?;
        at_least_0("expMult", self.exp_mult)?;
        Ok(self)
    }

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
