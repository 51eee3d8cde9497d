//! Twins of the recurrent networks per parameter.
#![allow(clippy::unwrap_used, reason = "a test's configs are right")]

use outerloop_core::lopt::{L2lGruConfig, L2lLstmConfig, ParamLstmConfig};
use outerloop_core::params::TensorSpec;
use outerloop_core::reference::param_rnn::{Network, ParamRnn, ParamRnnConfig};
use outerloop_core::reference::{Constants, ReferenceOptimizer};

pub fn l2l_gru(c: &L2lGruConfig) -> ParamRnnConfig {
    let L2lGruConfig { hidden, step_mult, log_range } = *c;
    ParamRnnConfig { network: Network::L2lGru, hidden, step_mult, log_range }
}

pub fn l2l_lstm(c: &L2lLstmConfig) -> ParamRnnConfig {
    let L2lLstmConfig { hidden, step_mult, log_range } = *c;
    ParamRnnConfig { network: Network::L2lLstm, hidden, step_mult, log_range }
}

pub fn param_lstm(c: &ParamLstmConfig) -> ParamRnnConfig {
    let ParamLstmConfig { hidden, step_mult, exp_mult, log_range } = *c;
    ParamRnnConfig { network: Network::ParamLstm { exp_mult }, hidden, step_mult, log_range }
}

pub fn twin(
    config: ParamRnnConfig,
    theta: &[f32],
    specs: &[TensorSpec],
    constants: Constants,
) -> Box<dyn ReferenceOptimizer> {
    Box::new(ParamRnn::new(config, theta, specs, constants).unwrap())
}
