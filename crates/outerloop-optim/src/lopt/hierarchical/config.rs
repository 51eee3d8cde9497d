//! Options of the hierarchical optimizer.

use super::optimizer::Hierarchical;
use crate::error::Result;
use crate::optim::checks::{at_least_0, expect, fraction, positive, size, size_32, thousandth};
use crate::optim::{Config, Optimizer};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

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
    #[serde(default = "size_32")]
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
pub(super) const FEATURE_CLIP: f64 = 5.0;
/// Default decay of the paper variant's train loss normaliser; the library's own.
pub(super) const TRAIN_LOSS_DECAY: f64 = 0.9;
/// Default decay of the paper variant's validation loss normaliser; the library's own.
pub(super) const VALID_LOSS_DECAY: f64 = 0.95;

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

impl Config for HierarchicalConfig {
    fn checked(mut self) -> Result<Self> {
        size("hidden", self.hidden, 1024)?;
        size("fromMlp", self.from_mlp, 1024)?;
        size("fromLstm", self.from_lstm, 1024)?;
        size("lstmToFf", self.lstm_to_ff, 1024)?;
        size("lstmHidden", self.lstm_hidden, 4096)?;
        positive("stepMult", self.step_mult)?;
        at_least_0("expMult", self.exp_mult)?;
        self.feature_clip.map_or(Ok(()), |x| positive("featureClip", x))?;
        self.train_loss_decay.map_or(Ok(()), |x| fraction("trainLossDecay", x))?;
        self.valid_loss_decay.map_or(Ok(()), |x| fraction("validLossDecay", x))?;
        if self.variant == Variant::Paper {
            self.old_params.get_or_insert_default();
            self.feature_clip.get_or_insert(FEATURE_CLIP);
            self.train_loss_decay.get_or_insert(TRAIN_LOSS_DECAY);
            self.valid_loss_decay.get_or_insert(VALID_LOSS_DECAY);
            return Ok(self);
        }
        let is_paper_only = self.old_params.is_some()
            || self.feature_clip.is_some()
            || self.train_loss_decay.is_some()
            || self.valid_loss_decay.is_some();
        let range = "`paper` where oldParams, featureClip, trainLossDecay or validLossDecay is given";
        expect(!is_paper_only, "variant", range, self.variant)?;
        Ok(self)
    }

    fn build(self) -> Result<Arc<dyn Optimizer>> {
        Ok(Arc::new(Hierarchical::new(self)))
    }
}
