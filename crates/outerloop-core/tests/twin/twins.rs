//! The f64 twin of every config.
#![allow(clippy::unwrap_used, reason = "a test's configs are right")]

use super::{elementwise, param_rnn};
use outerloop_core::lopt::{OldParams, Variant};
use outerloop_core::optim;
use outerloop_core::params::TensorSpec;
use outerloop_core::reference::adafac_mlp::{AdafacMlp, AdafacMlpConfig};
use outerloop_core::reference::adafac_nominal::{AdafacNominal, AdafacNominalConfig};
use outerloop_core::reference::adam::{Adam, AdamConfig};
use outerloop_core::reference::celo2::{Celo2, Celo2Config};
use outerloop_core::reference::hierarchical::{Hierarchical, HierarchicalConfig, Variant as TwinVariant};
use outerloop_core::reference::learnable;
use outerloop_core::reference::mlp_lopt::{MlpLopt, MlpLoptConfig};
use outerloop_core::reference::nn_adam::{NnAdam, NnAdamConfig};
use outerloop_core::reference::old_params::OldParamsMode;
use outerloop_core::reference::rms_mlp::{RmsMlp, RmsMlpConfig};
use outerloop_core::reference::sgd::{Sgd, SgdConfig};
use outerloop_core::reference::{Constants, ReferenceOptimizer};
use outerloop_core::zoo::OptimizerConfig;
use regex::Regex;

/// Whether an optimizer has a twin of its own: all but wrappers, which `tests/optimizer_wrappers.rs` judges.
pub fn has_twin(config: &OptimizerConfig) -> bool {
    use OptimizerConfig::{Accumulate, ClipGradients, Graft, Scaled, Schedule, Sum, WeightDecay};
    !matches!(
        config,
        Accumulate(_) | ClipGradients(_) | Graft(_) | Scaled(_) | Schedule(_) | Sum(_) | WeightDecay(_)
    )
}

/// The twin of `config`, whose literals are as `constants` says.
pub fn twin_of(
    config: &OptimizerConfig,
    theta: &[f32],
    specs: &[TensorSpec],
    constants: Constants,
) -> Box<dyn ReferenceOptimizer> {
    let sgd = |lr: f64, momentum, nesterov| Sgd::new(SgdConfig { lr, momentum, nesterov }, specs, constants);
    match config {
        OptimizerConfig::Sgd(c) => Box::new(sgd(c.lr, None, false)),
        OptimizerConfig::Momentum(c) => Box::new(sgd(c.lr, Some(c.momentum), c.nesterov)),
        &OptimizerConfig::Adam(optim::Adam { lr, beta1, beta2, eps, eps_root }) => {
            Box::new(Adam::new(AdamConfig { lr, beta1, beta2, eps, eps_root }, specs, constants))
        }
        OptimizerConfig::Rmsprop(c) => elementwise::rmsprop(c, specs, constants),
        OptimizerConfig::Adamw(c) => elementwise::adamw(c, specs, constants),
        OptimizerConfig::Nadamw(c) => elementwise::nadamw(c, specs, constants),
        OptimizerConfig::Adam8p(c) => elementwise::adam8p(c, specs, constants),
        OptimizerConfig::Adagrad(c) => elementwise::adagrad(c, specs, constants),
        OptimizerConfig::Lion(c) => elementwise::lion(c, specs, constants),
        OptimizerConfig::Yogi(c) => elementwise::yogi(c, specs, constants),
        OptimizerConfig::Radam(c) => elementwise::radam(c, specs, constants),
        OptimizerConfig::Adabelief(c) => elementwise::adabelief(c, specs, constants),
        OptimizerConfig::Lamb(_)
        | OptimizerConfig::Lars(_)
        | OptimizerConfig::Fromage(_)
        | OptimizerConfig::Adafactor(_)
        | OptimizerConfig::Sm3(_)
        | OptimizerConfig::Muon(_)
        | OptimizerConfig::Shampoo(_) => super::tensorwise::twin_of(config, specs, constants),
        OptimizerConfig::MlpLopt(c) => {
            let config = MlpLoptConfig { hidden: c.hidden, step_mult: c.step_mult, exp_mult: c.exp_mult };
            Box::new(MlpLopt::new(config, theta, specs, constants).unwrap())
        }
        OptimizerConfig::Celo2(c) => {
            let pattern = c.adam_pattern.as_deref().map(|p| Regex::new(p).unwrap());
            let is_adam = |s: &TensorSpec| pattern.as_ref().is_some_and(|p| p.is_match(&s.name));
            let config = Celo2Config {
                hidden: c.hidden,
                step_mult: c.step_mult,
                exp_mult: c.exp_mult,
                weight_decay: c.weight_decay,
                orthogonalize: c.orthogonalize,
                adam: specs.iter().map(is_adam).collect(),
                adam_b1: c.adam_beta1,
                adam_b2: c.adam_beta2,
                mult_1d: c.adam_mult,
                adam_bias_correction: c.adam_bias_correction,
            };
            Box::new(Celo2::new(config, theta, specs, constants).unwrap())
        }
        OptimizerConfig::AdafacMlp(c) => {
            let config = AdafacMlpConfig { hidden: c.hidden, step_mult: c.step_mult, exp_mult: c.exp_mult };
            Box::new(AdafacMlp::new(config, theta, specs, constants).unwrap())
        }
        OptimizerConfig::Hierarchical(c) => {
            let variant = match c.variant {
                Variant::Library => TwinVariant::Library,
                Variant::Paper => TwinVariant::Paper {
                    old_params: match c.old_params.unwrap_or_default() {
                        OldParams::Snapshot => OldParamsMode::Snapshot,
                        OldParams::Exact => OldParamsMode::Exact,
                    },
                    feature_clip: c.feature_clip.unwrap_or(5.0),
                    train_loss_decay: c.train_loss_decay.unwrap_or(0.9),
                    valid_loss_decay: c.valid_loss_decay.unwrap_or(0.95),
                },
            };
            let config = HierarchicalConfig {
                variant,
                step_mult: c.step_mult,
                exp_mult: c.exp_mult,
                hidden: c.hidden,
                from_mlp: c.from_mlp,
                from_lstm: c.from_lstm,
                lstm_to_ff: c.lstm_to_ff,
                lstm_hidden: c.lstm_hidden,
            };
            Box::new(Hierarchical::new(config, theta, specs, constants).unwrap())
        }
        OptimizerConfig::AdafacNominal(c) => {
            let features = AdafacMlpConfig { hidden: c.hidden, step_mult: c.step_mult, exp_mult: c.exp_mult };
            let config = AdafacNominalConfig {
                features,
                nominal_lr: c.nominal_lr,
                weight_decay: c.weight_decay,
                nominal_controller: c.nominal_controller,
                decay_controller: c.decay_controller,
            };
            Box::new(AdafacNominal::new(config, theta, specs, constants).unwrap())
        }
        OptimizerConfig::LearnableSgd(_) => Box::new(learnable::sgd(theta, specs, constants).unwrap()),
        OptimizerConfig::LearnableSgdm(_) => Box::new(learnable::sgdm(theta, specs, constants).unwrap()),
        OptimizerConfig::LearnableAdam(_) => Box::new(learnable::adam(theta, specs, constants).unwrap()),
        OptimizerConfig::L2lGru(c) => param_rnn::twin(param_rnn::l2l_gru(c), theta, specs, constants),
        OptimizerConfig::L2lLstm(c) => param_rnn::twin(param_rnn::l2l_lstm(c), theta, specs, constants),
        OptimizerConfig::ParamLstm(c) => param_rnn::twin(param_rnn::param_lstm(c), theta, specs, constants),
        OptimizerConfig::RmsMlp(c) => {
            let config = RmsMlpConfig { hidden: c.hidden, step_mult: c.step_mult, exp_mult: c.exp_mult };
            Box::new(RmsMlp::new(config, theta, specs, constants).unwrap())
        }
        OptimizerConfig::NnAdam(c) => {
            let config = NnAdamConfig {
                output_scale: c.output_scale,
                decay_strength: c.decay_strength,
                lstm_hidden: c.lstm_hidden,
            };
            Box::new(NnAdam::new(config, theta, specs, constants).unwrap())
        }
        OptimizerConfig::Velo(c) => super::velo::velo(c, theta, specs, constants),
        OptimizerConfig::Celo(c) => super::velo::celo(c, theta, specs, constants),
        OptimizerConfig::CeloAdam(c) => super::velo::celo_adam(c, theta, specs, constants),
        wrapper => panic!("tests/optimizer_wrappers.rs judges {wrapper:?}"),
    }
}
