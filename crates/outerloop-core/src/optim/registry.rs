//! All optimizers by name. Their configs are JSON: each one's serde struct is in its own file, and its twin is the zod
//! schema of the same name in `ts/config/`.

use super::{Adam, Momentum, Optimizer, Sgd};
use crate::error::{Error, Result};
use crate::lopt::{
    AdafacMlpConfig, Celo2Config, CeloAdamConfig, CeloConfig, HierarchicalConfig, MlpLoptConfig, VeloConfig,
};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Options of an optimizer.
pub(crate) trait Config: Sized {
    /// The same with its ranges checked and what depends on other options filled in.
    /// # Errors
    /// `InvalidOption` naming the option, its range and what came.
    fn checked(self) -> Result<Self>;

    /// The optimizer; the options were checked.
    /// # Errors
    /// Those of optimizers inside it.
    fn build(self) -> Result<Arc<dyn Optimizer>>;
}

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
    /// Per-parameter MLP on momenta.
    MlpLopt(MlpLoptConfig),
    /// Celo2, or Celo2-base: per-parameter MLP with normalised directions.
    Celo2(Celo2Config),
    /// Per-parameter MLP on Adafactor features.
    AdafacMlp(AdafacMlpConfig),
    /// Per-tensor LSTM and per-parameter MLP.
    Hierarchical(HierarchicalConfig),
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
