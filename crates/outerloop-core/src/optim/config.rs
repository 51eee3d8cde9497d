//! Optimizer configs as JSON: the serde twin of the TypeScript schema `ts/config/optimizerConfig.ts`.

use super::{Optimizer, ThetaSpec, adam::Adam, momentum::Momentum, sgd::Sgd};
use crate::error::{Error, Result};
use crate::lopt::{AdafacMlp, Celo2, Hierarchical, MlpLopt};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// An inner optimizer with its constants.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum OptimizerConfig {
    /// Gradient descent.
    Sgd {
        /// Learning rate, above 0.
        lr: f64,
    },
    /// Gradient descent with momentum.
    Momentum {
        /// Learning rate, above 0.
        lr: f64,
        /// In [0, 1).
        #[serde(default = "point_nine")]
        momentum: f64,
        /// Look-ahead form.
        #[serde(default)]
        nesterov: bool,
    },
    /// Adam.
    Adam {
        /// Learning rate, above 0.
        lr: f64,
        /// Decay of the mean, in [0, 1).
        #[serde(default = "point_nine")]
        beta1: f64,
        /// Decay of the mean square, in [0, 1).
        #[serde(default = "point_999")]
        beta2: f64,
        /// Added to the root, at least 0.
        #[serde(default = "eps")]
        eps: f64,
        /// Added inside the root, at least 0.
        #[serde(default)]
        eps_root: f64,
    },
    /// Per-parameter MLP on momenta.
    MlpLopt(MlpLoptConfig),
    /// Celo2, or Celo2-base: per-parameter MLP with normalised directions.
    Celo2(Celo2Config),
    /// Per-parameter MLP on Adafactor features.
    AdafacMlp(AdafacMlpConfig),
    /// Per-tensor LSTM and per-parameter MLP.
    Hierarchical(HierarchicalConfig),
}

/// Sizes and scales of `adafac_mlp`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct AdafacMlpConfig {
    /// Width of both hidden layers, 1 to 1,024.
    #[serde(default = "four")]
    pub hidden: usize,
    /// Factor of every step, above 0.
    #[serde(default = "thousandth")]
    pub step_mult: f64,
    /// Factor of the output inside the exponential, at least 0.
    #[serde(default = "thousandth")]
    pub exp_mult: f64,
}

/// Size and scales of `mlp_lopt`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct MlpLoptConfig {
    /// Width of both hidden layers, 1 to 1,024.
    #[serde(default = "hidden")]
    pub hidden: usize,
    /// Factor of every step, above 0.
    #[serde(default = "thousandth")]
    pub step_mult: f64,
    /// Factor of the output inside the exponential, at least 0.
    #[serde(default = "thousandth")]
    pub exp_mult: f64,
}

/// Options of Celo2. Celo2-base is `orthogonalize: false` with `adamPattern: null`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Celo2Config {
    /// Learning rate, above 0: the root mean square of a learned step.
    #[serde(default = "thousandth")]
    pub step_mult: f64,
    /// Factor of the second output inside the exponential, at least 0. At 0 that output has no effect.
    #[serde(default)]
    pub exp_mult: f64,
    /// Decay of all parameters in units of their learning rate, at least 0.
    #[serde(default)]
    pub weight_decay: f64,
    /// Whether directions of tensors of rank 2 and more are orthogonalised.
    #[serde(default = "yes")]
    pub orthogonalize: bool,
    /// Tensors whose name this regular expression finds take Adam instead of the learned rule; `null`: none.
    #[serde(default = "adam_pattern")]
    pub adam_pattern: Option<String>,
    /// Adam's learning rate in units of `stepMult`, above 0.
    #[serde(default = "twenty")]
    pub adam_mult: f64,
    /// Decay of Adam's mean, in [0, 1).
    #[serde(default = "point_nine")]
    pub adam_beta1: f64,
    /// Decay of Adam's mean square, in [0, 1).
    #[serde(default = "point_95")]
    pub adam_beta2: f64,
    /// Whether Adam's moments are divided by 1 − βᵗ.
    #[serde(default)]
    pub adam_bias_correction: bool,
}

/// Which form of the hierarchical optimizer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Variant {
    /// google/learned_optimization's `rnn_mlp_lopt`.
    Library,
    /// Metz et al. 2020, arXiv:2009.11243.
    Paper,
}

/// How the parameters of 100 steps ago are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OldParams {
    /// Two copies refreshed every 100 steps: age 100 to 199.
    #[default]
    Snapshot,
    /// A ring of 100 copies: age 100.
    Exact,
}

/// Sizes, scales and variant of the hierarchical optimizer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct HierarchicalConfig {
    /// Which form.
    pub variant: Variant,
    /// Factor of every step, above 0.
    #[serde(default = "thousandth")]
    pub step_mult: f64,
    /// Factor of the output inside the exponential, at least 0.
    #[serde(default = "thousandth")]
    pub exp_mult: f64,
    /// Width of the per-parameter MLP, 1 to 1,024.
    #[serde(default = "hidden")]
    pub hidden: usize,
    /// Outputs of the MLP that the LSTM sees, 1 to 1,024.
    #[serde(default = "from_mlp")]
    pub from_mlp: usize,
    /// Values that all tensors share, 1 to 1,024.
    #[serde(default = "from_lstm")]
    pub from_lstm: usize,
    /// Values from the LSTM to the MLP, 1 to 1,024.
    #[serde(default = "lstm_to_ff")]
    pub lstm_to_ff: usize,
    /// State size of the LSTM, 1 to 4,096.
    #[serde(default = "lstm_hidden")]
    pub lstm_hidden: usize,
    /// Paper only: how old parameters are kept. Default `snapshot`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub old_params: Option<OldParams>,
    /// Paper only: bound of the normalised features, above 0. Default 5.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub feature_clip: Option<f64>,
    /// Paper only: decay of the train loss normaliser, in [0, 1). Default 0.9.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub train_loss_decay: Option<f64>,
    /// Paper only: decay of the validation loss normaliser, in [0, 1). Default 0.95.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub valid_loss_decay: Option<f64>,
}

/// Default bound of the paper variant's normalised features.
pub(crate) const FEATURE_CLIP: f64 = 5.0;
/// Default decay of the paper variant's train loss normaliser; the library's own.
pub(crate) const TRAIN_LOSS_DECAY: f64 = 0.9;
/// Default decay of the paper variant's validation loss normaliser; the library's own.
pub(crate) const VALID_LOSS_DECAY: f64 = 0.95;

fn point_nine() -> f64 {
    0.9
}
fn point_999() -> f64 {
    0.999
}
fn point_95() -> f64 {
    0.95
}
fn twenty() -> f64 {
    20.0
}
fn yes() -> bool {
    true
}
#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field")]
fn adam_pattern() -> Option<String> {
    Some(r"(^|/)b$|bias|embed".into())
}
fn eps() -> f64 {
    1e-8
}
fn thousandth() -> f64 {
    0.001
}
fn four() -> usize {
    4
}
fn hidden() -> usize {
    32
}
fn from_mlp() -> usize {
    16
}
fn from_lstm() -> usize {
    18
}
fn lstm_to_ff() -> usize {
    17
}
fn lstm_hidden() -> usize {
    64
}

impl OptimizerConfig {
    /// Reads and checks a JSON optimizer config, and fills in its defaults.
    /// # Errors
    /// `InvalidOption` naming what is wrong.
    pub fn from_json(json: &str) -> Result<Self> {
        let mut config: Self =
            serde_json::from_str(json).map_err(|e| Error::option(format!("optimizer config: {e}")))?;
        config.validate()?;
        if let Self::Hierarchical(c) = &mut config
            && c.variant == Variant::Paper
        {
            c.old_params.get_or_insert_default();
            c.feature_clip.get_or_insert(FEATURE_CLIP);
            c.train_loss_decay.get_or_insert(TRAIN_LOSS_DECAY);
            c.valid_loss_decay.get_or_insert(VALID_LOSS_DECAY);
        }
        Ok(config)
    }

    fn validate(&self) -> Result<()> {
        let positive = |field, x: f64| expect(x > 0.0 && x.is_finite(), field, "finite and > 0", x);
        let at_least_0 = |field, x: f64| expect(x >= 0.0 && x.is_finite(), field, "finite and >= 0", x);
        let fraction = |field, x: f64| expect((0.0..1.0).contains(&x), field, "in [0, 1)", x);
        let size = |field, x: usize, max| expect((1..=max).contains(&x), field, "a size in range", x);
        match self {
            Self::Sgd { lr } => positive("lr", *lr),
            Self::Momentum { lr, momentum, .. } => positive("lr", *lr).and(fraction("momentum", *momentum)),
            Self::Adam { lr, beta1, beta2, eps, eps_root } => positive("lr", *lr)
                .and(fraction("beta1", *beta1))
                .and(fraction("beta2", *beta2))
                .and(at_least_0("eps", *eps))
                .and(at_least_0("epsRoot", *eps_root)),
            Self::MlpLopt(c) => size("hidden", c.hidden, 1024)
                .and(positive("stepMult", c.step_mult))
                .and(at_least_0("expMult", c.exp_mult)),
            Self::Celo2(c) => {
                positive("stepMult", c.step_mult)?;
                at_least_0("expMult", c.exp_mult)?;
                at_least_0("weightDecay", c.weight_decay)?;
                positive("adamMult", c.adam_mult)?;
                fraction("adamBeta1", c.adam_beta1)?;
                fraction("adamBeta2", c.adam_beta2)?;
                let is_pattern = c.adam_pattern.as_deref().is_none_or(|p| regex::Regex::new(p).is_ok());
                expect(
                    is_pattern,
                    "adamPattern",
                    "null or a regular expression without look-around",
                    &c.adam_pattern,
                )
            }
            Self::AdafacMlp(c) => size("hidden", c.hidden, 1024)
                .and(positive("stepMult", c.step_mult))
                .and(at_least_0("expMult", c.exp_mult)),
            Self::Hierarchical(c) => {
                size("hidden", c.hidden, 1024)?;
                size("fromMlp", c.from_mlp, 1024)?;
                size("fromLstm", c.from_lstm, 1024)?;
                size("lstmToFf", c.lstm_to_ff, 1024)?;
                size("lstmHidden", c.lstm_hidden, 4096)?;
                positive("stepMult", c.step_mult)?;
                at_least_0("expMult", c.exp_mult)?;
                c.feature_clip.map_or(Ok(()), |x| positive("featureClip", x))?;
                c.train_loss_decay.map_or(Ok(()), |x| fraction("trainLossDecay", x))?;
                c.valid_loss_decay.map_or(Ok(()), |x| fraction("validLossDecay", x))?;
                let is_paper_only = c.old_params.is_some()
                    || c.feature_clip.is_some()
                    || c.train_loss_decay.is_some()
                    || c.valid_loss_decay.is_some();
                expect(
                    c.variant == Variant::Paper || !is_paper_only,
                    "variant",
                    "`paper` where oldParams, featureClip, trainLossDecay or validLossDecay is given",
                    c.variant,
                )
            }
        }
    }
}

fn expect(ok: bool, field: &str, range: &str, got: impl std::fmt::Debug) -> Result<()> {
    if ok {
        Ok(())
    } else {
        Err(Error::option(format!("optimizer config: expected `{field}` to be {range}, got {got:?}")))
    }
}

/// Builds the optimizer of a config.
/// # Errors
/// `InvalidOption` if a value is out of range.
pub fn build_optimizer(config: &OptimizerConfig) -> Result<Arc<dyn Optimizer>> {
    config.validate()?;
    let theta = ThetaSpec::default();
    Ok(match config.clone() {
        OptimizerConfig::Sgd { lr } => Arc::new(Sgd { lr: lr as f32, theta }),
        OptimizerConfig::Momentum { lr, momentum, nesterov } => {
            Arc::new(Momentum { lr: lr as f32, momentum: momentum as f32, is_nesterov: nesterov, theta })
        }
        OptimizerConfig::Adam { lr, beta1, beta2, eps, eps_root } => {
            Arc::new(Adam { lr, beta1, beta2, eps, eps_root, theta })
        }
        OptimizerConfig::MlpLopt(config) => Arc::new(MlpLopt::new(config)),
        OptimizerConfig::Celo2(config) => Arc::new(Celo2::new(config)),
        OptimizerConfig::AdafacMlp(config) => Arc::new(AdafacMlp::new(config)),
        OptimizerConfig::Hierarchical(config) => Arc::new(Hierarchical::new(config)),
    })
}
