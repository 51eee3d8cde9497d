//! All optimizers by name. Their configs are JSON: each one's serde struct is in its own file, and its twin is the zod
//! schema of the same name in `ts/config/`.

use crate::error::{Error, Result};
use crate::lopt::{
    AdafacMlpConfig, Celo2Config, CeloAdamConfig, CeloConfig, HierarchicalConfig, MlpLoptConfig, VeloConfig,
};
use crate::lopt::{
    AdafacNominalConfig, LearnableAdamConfig, LearnableSgdConfig, LearnableSgdmConfig, NnAdamConfig,
};
use crate::lopt::{L2lGruConfig, L2lLstmConfig, ParamLstmConfig, RmsMlpConfig};
use crate::optim::{Accumulate, ClipGradients, Config, Graft, Scaled, Schedule, Sum, WeightDecay};
use crate::optim::{
    AdaBelief, AdaGrad, Adafactor, Adam, Adam8p, AdamW, Fromage, Lamb, Lars, Lion, Momentum, Muon, NAdamW,
    Optimizer, RAdam, RmsProp, Sgd, Shampoo, Sm3, Yogi,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

macro_rules! optimizers {
    ($($(#[$doc:meta])* $name:ident($config:ty),)*) => {
        /// An optimizer with its options.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "name", rename_all = "snake_case")]
        pub enum OptimizerConfig {
            $($(#[$doc])* $name($config),)*
        }

        impl Config for OptimizerConfig {
            fn checked(self) -> Result<Self> {
                Ok(match self { $(Self::$name(config) => Self::$name(config.checked()?),)* })
            }

            fn build(self) -> Result<Arc<dyn Optimizer>> {
                match self { $(Self::$name(config) => config.build(),)* }
            }
        }
    };
}

optimizers! {
    /// Gradient descent.
    Sgd(Sgd),
    /// Gradient descent with momentum.
    Momentum(Momentum),
    /// Adam.
    Adam(Adam),
    /// Steps over the root of a decaying mean square.
    Rmsprop(RmsProp),
    /// Adam with decoupled weight decay.
    Adamw(AdamW),
    /// AdamW with Nesterov's momentum and a cosine schedule.
    Nadamw(NAdamW),
    /// Adam with penalties on the weights and a decaying rate.
    Adam8p(Adam8p),
    /// Steps over the root of a sum of squares.
    Adagrad(AdaGrad),
    /// Signs of a momentum.
    Lion(Lion),
    /// Adam with additive control of the second moment.
    Yogi(Yogi),
    /// Adam with a rectified warm-up.
    Radam(RAdam),
    /// Adam with the variance about the mean.
    Adabelief(AdaBelief),
    /// LAMB: Adam's direction, as long as the tensor times lr.
    Lamb(Lamb),
    /// LARS: momentum of steps as long as the tensor times a constant.
    Lars(Lars),
    /// Fromage: steps as long as the tensor times lr, then shrunk.
    Fromage(Fromage),
    /// Adafactor: a second moment kept as its means over rows and columns.
    Adafactor(Adafactor),
    /// SM3: a second moment bounded by a vector for every axis.
    Sm3(Sm3),
    /// Muon: orthogonalised momentum for matrices, Adam for the rest.
    Muon(Muon),
    /// Shampoo: gradients of matrices preconditioned from both sides.
    Shampoo(Shampoo),
    /// Per-parameter MLP on momenta.
    MlpLopt(MlpLoptConfig),
    /// Celo2, or Celo2-base: per-parameter MLP with normalised directions.
    Celo2(Celo2Config),
    /// Per-parameter MLP on Adafactor features.
    AdafacMlp(AdafacMlpConfig),
    /// Per-tensor LSTM and per-parameter MLP.
    Hierarchical(HierarchicalConfig),
    /// Per-parameter MLP on Adafactor features, with a nominal step and a decay.
    AdafacNominal(AdafacNominalConfig),
    /// Gradient descent with a learned rate.
    LearnableSgd(LearnableSgdConfig),
    /// Momentum with learned constants.
    LearnableSgdm(LearnableSgdmConfig),
    /// Adam with learned constants.
    LearnableAdam(LearnableAdamConfig),
    /// Adam steered by a per-tensor LSTM.
    NnAdam(NnAdamConfig),
    /// Two GRU layers a parameter.
    L2lGru(L2lGruConfig),
    /// Two LSTM layers a parameter.
    L2lLstm(L2lLstmConfig),
    /// One LSTM layer a parameter, with direction and magnitude.
    ParamLstm(ParamLstmConfig),
    /// Per-parameter MLP on the hierarchical optimizer's features, without LSTMs.
    RmsMlp(RmsMlpConfig),
    /// Another optimizer with decaying parameters.
    WeightDecay(WeightDecay<Self>),
    /// Another optimizer that sees bounded gradients.
    ClipGradients(ClipGradients<Self>),
    /// Another optimizer that sees means of gradients.
    Accumulate(Accumulate<Self>),
    /// Another optimizer whose steps have a factor that changes with time.
    Schedule(Schedule<Self>),
    /// Another optimizer whose steps have constant factors.
    Scaled(Scaled<Self>),
    /// The sum of two optimizers' steps.
    Sum(Sum<Self>),
    /// One optimizer's direction, another one's length.
    Graft(Graft<Self>),
    /// Bank of per-parameter MLPs, mixed by an LSTM over the tensors.
    Velo(VeloConfig),
    /// VeLO with one MLP and a learned schedule.
    Celo(CeloConfig),
    /// Adam with Celo's schedule.
    CeloAdam(CeloAdamConfig),
}

impl OptimizerConfig {
    /// Reads and checks a JSON optimizer config, and fills in its defaults.
    /// # Errors
    /// `InvalidOption` naming what is wrong.
    pub fn from_json(json: &str) -> Result<Self> {
        let config: Self =
            serde_json::from_str(json).map_err(|e| Error::option(format!("optimizer config: {e}")))?;
        config.checked()
    }
}

/// Builds the optimizer of a config.
/// # Errors
/// `InvalidOption` if a value is out of range.
pub fn build_optimizer(config: &OptimizerConfig) -> Result<Arc<dyn Optimizer>> {
    config.clone().checked()?.build()
}
