//! All optimizers by name. Their configs are JSON: the options of each stand in its own file, and the zod schemas of
//! `ts/config/optimizers/` are made of what [`OptimizerConfig::describe_all`] tells of them.

use crate::error::{Error, Result};
use crate::lopt::{
    AdafacMlpConfig, Celo2Config, CeloAdamConfig, CeloConfig, HierarchicalConfig, MlpLoptConfig, VeloConfig,
};
use crate::lopt::{
    AdafacNominalConfig, LearnableAdamConfig, LearnableSgdConfig, LearnableSgdmConfig, NnAdamConfig,
};
use crate::lopt::{L2lGruConfig, L2lLstmConfig, ParamLstmConfig, RmsMlpConfig};
use crate::optim::options::{Description, Options, Ranges};
use crate::optim::{Accumulate, ClipGradients, Config, Graft, Scaled, Schedule, Sum, WeightDecay};
use crate::optim::{
    AdaBelief, AdaGrad, Adafactor, Adam, Adam8p, AdamW, Fromage, Lamb, Lars, Lion, Momentum, Muon, NAdamW,
    Optimizer, RAdam, RmsProp, Sgd, Shampoo, Sm3, Yogi,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An optimizer as it is told to others.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Described {
    /// `hand_designed`, `learned` or `wrapper`.
    pub group: &'static str,
    /// As in JSON.
    pub name: String,
    /// What it is, and its options.
    #[serde(flatten)]
    pub options: Description,
}

macro_rules! optimizers {
    ($($group:ident { $($name:ident($config:ty),)* })*) => {
        /// An optimizer with its options.
        #[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "name", rename_all = "snake_case")]
        pub enum OptimizerConfig {
            $($(
                #[doc = concat!("See `", stringify!($config), "`.")]
                $name($config),
            )*)*
        }

        impl Ranges for OptimizerConfig {
            fn check_ranges(&self) -> Result<()> {
                match self { $($(Self::$name(config) => config.check_ranges(),)*)* }
            }
        }

        impl OptimizerConfig {
            /// All optimizers with their options, in order.
            pub fn describe_all() -> Vec<Described> {
                vec![$($(Described {
                    group: stringify!($group),
                    name: snake_case(stringify!($name)),
                    options: <$config as Options>::describe(),
                },)*)*]
            }
        }

        impl Config for OptimizerConfig {
            fn checked(self) -> Result<Self> {
                Ok(match self { $($(Self::$name(config) => Self::$name(config.checked()?),)*)* })
            }

            fn build(self) -> Result<Arc<dyn Optimizer>> {
                match self { $($(Self::$name(config) => config.build(),)*)* }
            }
        }
    };
}

optimizers! {
    hand_designed {
        Sgd(Sgd),
        Momentum(Momentum),
        Adam(Adam),
        Rmsprop(RmsProp),
        Adamw(AdamW),
        Nadamw(NAdamW),
        Adam8p(Adam8p),
        Adagrad(AdaGrad),
        Lion(Lion),
        Yogi(Yogi),
        Radam(RAdam),
        Adabelief(AdaBelief),
        Lamb(Lamb),
        Lars(Lars),
        Fromage(Fromage),
        Adafactor(Adafactor),
        Sm3(Sm3),
        Muon(Muon),
        Shampoo(Shampoo),
    }
    learned {
        MlpLopt(MlpLoptConfig),
        Celo2(Celo2Config),
        AdafacMlp(AdafacMlpConfig),
        Hierarchical(HierarchicalConfig),
        AdafacNominal(AdafacNominalConfig),
        LearnableSgd(LearnableSgdConfig),
        LearnableSgdm(LearnableSgdmConfig),
        LearnableAdam(LearnableAdamConfig),
        NnAdam(NnAdamConfig),
        L2lGru(L2lGruConfig),
        L2lLstm(L2lLstmConfig),
        ParamLstm(ParamLstmConfig),
        RmsMlp(RmsMlpConfig),
        Velo(VeloConfig),
        Celo(CeloConfig),
        CeloAdam(CeloAdamConfig),
    }
    wrapper {
        WeightDecay(WeightDecay<Self>),
        ClipGradients(ClipGradients<Self>),
        Accumulate(Accumulate<Self>),
        Schedule(Schedule<Self>),
        Scaled(Scaled<Self>),
        Sum(Sum<Self>),
        Graft(Graft<Self>),
    }
}

/// `Adam8p` as `adam8p`, `MlpLopt` as `mlp_lopt`: the names of serde.
fn snake_case(name: &str) -> String {
    name.chars().enumerate().fold(String::new(), |mut snake, (i, letter)| {
        if letter.is_ascii_uppercase() && i > 0 {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
        snake
    })
}

impl OptimizerConfig {
    /// Reads and checks a JSON optimizer config, and fills in its defaults.
    /// # Errors
    /// `InvalidOption` naming what is wrong.
    pub fn from_json(json: &str) -> Result<Self> {
        let config: Self = serde_json::from_str(json)
            .map_err(|e| Error::option(format!("optimizer config: {e}")).caused_by(e))?;
        config.checked()
    }
}

/// Builds the optimizer of a config.
/// # Errors
/// `InvalidOption` if a value is out of range.
pub fn build_optimizer(config: &OptimizerConfig) -> Result<Arc<dyn Optimizer>> {
    config.clone().checked()?.build()
}
