//! Twins of the optimizers that look at whole tensors, and their states under the twins' names.

use outerloop_core::optim::MuonDialect;
use outerloop_core::params::TensorSpec;
use outerloop_core::reference::adafactor::{Adafactor, AdafactorConfig};
use outerloop_core::reference::fromage::Fromage;
use outerloop_core::reference::lamb::{Lamb, LambConfig};
use outerloop_core::reference::lars::{Lars, LarsConfig};
use outerloop_core::reference::muon::{Muon, MuonConfig};
use outerloop_core::reference::shampoo::{Shampoo, ShampooConfig};
use outerloop_core::reference::sm3::Sm3;
use outerloop_core::reference::{Constants, ReferenceOptimizer};
use outerloop_core::zoo::OptimizerConfig;
use regex::Regex;
use std::collections::HashMap;

pub fn twin_of(
    config: &OptimizerConfig,
    specs: &[TensorSpec],
    constants: Constants,
) -> Box<dyn ReferenceOptimizer> {
    match config {
        OptimizerConfig::Lamb(c) => {
            let config = LambConfig {
                lr: c.lr,
                beta1: c.beta1,
                beta2: c.beta2,
                eps: c.eps,
                eps_root: c.eps_root,
                weight_decay: c.weight_decay,
            };
            Box::new(Lamb::new(config, specs, constants))
        }
        OptimizerConfig::Lars(c) => {
            let config = LarsConfig {
                lr: c.lr,
                momentum: c.momentum,
                weight_decay: c.weight_decay,
                trust_coefficient: c.trust_coefficient,
                eps: c.eps,
            };
            Box::new(Lars::new(config, specs, constants))
        }
        OptimizerConfig::Fromage(c) => Box::new(Fromage::new(c.lr, c.min_norm, constants)),
        OptimizerConfig::Adafactor(c) => {
            let config = AdafactorConfig {
                lr: c.lr,
                min_dim_size_to_factor: c.min_dim_size_to_factor,
                decay_rate: c.decay_rate,
                clipping_threshold: c.clipping_threshold,
                multiply_by_parameter_scale: c.multiply_by_parameter_scale,
                momentum: c.momentum,
                weight_decay: c.weight_decay,
                eps: c.eps,
            };
            Box::new(Adafactor::new(config, specs, constants))
        }
        OptimizerConfig::Sm3(c) => Box::new(Sm3::new(c.lr, c.momentum, specs, constants)),
        OptimizerConfig::Muon(c) => {
            let pattern = c.adam_pattern.as_deref().and_then(|p| Regex::new(p).ok());
            let is_adam = |s: &TensorSpec| pattern.as_ref().is_some_and(|p| p.is_match(&s.name));
            let config = MuonConfig {
                is_optax: c.dialect == MuonDialect::Optax,
                lr: c.lr,
                beta: c.beta,
                weight_decay: c.weight_decay,
                adam: specs.iter().map(is_adam).collect(),
                adam_lr: c.adam_lr.unwrap_or(c.lr),
                adam_beta1: c.adam_beta1,
                adam_beta2: c.adam_beta2,
                adam_eps: c.adam_eps,
                adam_weight_decay: c.adam_weight_decay,
            };
            Box::new(Muon::new(config, specs, constants))
        }
        OptimizerConfig::Shampoo(c) => {
            let config = ShampooConfig {
                lr: c.lr,
                momentum: c.momentum,
                beta2: c.beta2,
                matrix_eps: c.matrix_eps,
                start: c.start,
                every: c.every,
                max_dim: c.max_dim,
            };
            Box::new(Shampoo::new(config, specs, constants))
        }
        other => panic!("no twin of {other:?} here"),
    }
}

/// What the default names do not do.
pub fn states(
    config: &OptimizerConfig,
    specs: &[TensorSpec],
    arrays: &HashMap<String, Vec<f64>>,
) -> Vec<(String, Vec<f64>)> {
    let mut out = vec![];
    for spec in specs {
        let name = &spec.name;
        match config {
            // The published state has a zero where a tensor has no such array.
            OptimizerConfig::Adafactor(_) => {
                for group in ["v_row", "v_col", "v", "ema"] {
                    let data = arrays.get(&format!("{group}/{name}")).cloned().unwrap_or(vec![0.0]);
                    out.push((format!("{group}|{name}"), data));
                }
            }
            OptimizerConfig::Muon(_) | OptimizerConfig::Shampoo(_) => {
                for group in ["mu", "nu", "trace", "left", "left_root", "right", "right_root"] {
                    let data = arrays.get(&format!("{group}/{name}"));
                    out.extend(data.map(|data| (format!("{group}|{name}"), data.clone())));
                }
            }
            OptimizerConfig::Sm3(_) => {
                let axis = |k: usize| {
                    Some((format!("mu|{name}|{k}"), arrays.get(&format!("mu/{name}/{k}"))?.clone()))
                };
                out.extend((0..).map_while(axis));
            }
            _ => {}
        }
    }
    out
}
