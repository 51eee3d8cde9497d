//! Twins and states of VeLO, Celo and Celo-Adam.
#![allow(clippy::unwrap_used, reason = "a test's configs are right")]

use super::NUM_STEPS;
use outerloop_core::lopt::{CeloAdamConfig, CeloConfig, VeloConfig};
use outerloop_core::params::TensorSpec;
use outerloop_core::reference::celo_adam::{self, CeloAdam};
use outerloop_core::reference::velo::{self, Velo, VeloVariant};
use outerloop_core::reference::{Constants, ReferenceOptimizer, Tensor};
use std::collections::HashMap;

pub fn velo(
    c: &VeloConfig,
    theta: &[f32],
    specs: &[TensorSpec],
    constants: Constants,
) -> Box<dyn ReferenceOptimizer> {
    let config = velo::VeloConfig {
        variant: VeloVariant::Velo {
            ff_mult: c.ff_mult,
            bugged_loss_features: c.bugged_loss_features,
            bugged_next_lstm_state: c.bugged_next_lstm_state,
        },
        lstm_hidden: c.lstm_hidden,
        param_inits: c.param_inits,
        step_mult: c.step_mult,
        exp_mult: c.exp_mult,
        num_steps: NUM_STEPS as f64,
    };
    Box::new(Velo::new(config, theta, specs, constants).unwrap())
}

pub fn celo(
    c: &CeloConfig,
    theta: &[f32],
    specs: &[TensorSpec],
    constants: Constants,
) -> Box<dyn ReferenceOptimizer> {
    let config = velo::VeloConfig {
        variant: VeloVariant::Celo { is_scheduled: c.phase == 2 },
        lstm_hidden: c.lstm_hidden,
        param_inits: c.param_inits,
        step_mult: c.step_mult,
        exp_mult: c.exp_mult,
        num_steps: NUM_STEPS as f64,
    };
    Box::new(Velo::new(config, theta, specs, constants).unwrap())
}

pub fn celo_adam(
    c: &CeloAdamConfig,
    theta: &[f32],
    specs: &[TensorSpec],
    constants: Constants,
) -> Box<dyn ReferenceOptimizer> {
    let config = celo_adam::CeloAdamConfig {
        lstm_hidden: c.lstm_hidden,
        step_mult: c.step_mult,
        num_steps: NUM_STEPS as f64,
    };
    Box::new(CeloAdam::new(config, theta, specs, constants).unwrap())
}

/// Tells a twin how many steps there will be; one that does not ask is left alone.
pub fn set_num_steps(twin: &mut dyn ReferenceOptimizer, num_steps: u64) {
    for slot in twin.state_mut().into_iter().filter(|t| t.name == "num_steps") {
        slot.set_item(num_steps as f64);
    }
}

/// The state that tensors share, under the twin's names. The twin has a row for every tensor where one is enough.
pub fn shared_state(arrays: &HashMap<String, Vec<f64>>, copies: usize, t: u64) -> Vec<Tensor> {
    let tensor = |name: &str, data: Vec<f64>| Tensor::new(name, [data.len()], data);
    let mut out = vec![Tensor::scalar("loss_buffer|iteration", t as f64)];
    for (ours, theirs, copies) in [
        ("hidden", "lstm_hidden_state|hidden", copies),
        ("cell", "lstm_hidden_state|cell", copies),
        ("loss_means", "loss_buffer|means", 1),
        ("loss_minima", "loss_buffer|running_min", 1),
        ("loss_decays", "loss_buffer|decays", 1),
    ] {
        out.push(tensor(theirs, arrays[ours].repeat(copies)));
    }
    out
}
