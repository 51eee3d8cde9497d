//! Options of the hierarchical optimizer.

use super::optimizer::Hierarchical;
use crate::error::Result;
use crate::optim::checks::expect;
use crate::optim::options::{Ranges, checked_elsewhere, options};
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

options! {
    /// Per-tensor LSTM over per-parameter MLPs (Metz et al. 2020, arXiv:2009.11243), as in the library learned_optimization or
    /// as in the paper.
    pub struct HierarchicalConfig {
        /// Which form: the library's, or the paper's.
        variant: Variant => Range::choice(&["library", "paper"]);
        /// Factor of every step. Too large diverges at the start of meta-training, too small never moves.
        step_mult: f64 = 0.001 => Range::Positive;
        /// Factor inside the exponential that sets a step's magnitude; 0 switches that output off.
        exp_mult: f64 = 0.001 => Range::NonNegative;
        /// Width of the per-parameter MLP.
        hidden: usize = 32 => Range::integer(1, 1024);
        /// Values each tensor's LSTM gets from its per-parameter MLPs (mean over the tensor).
        from_mlp: usize = 16 => Range::integer(1, 1024);
        /// Values each tensor's LSTM gets from all LSTMs (mean over the tensors).
        from_lstm: usize = 18 => Range::integer(1, 1024);
        /// Values the per-parameter MLP gets from its tensor's LSTM.
        lstm_to_ff: usize = 17 => Range::integer(1, 1024);
        /// State size of the per-tensor LSTM.
        lstm_hidden: usize = 64 => Range::integer(1, 4096);
        /// Which earlier parameters the features compare with: periodic snapshots, or the exact lagged values.
        old_params: Option<OldParams> = None => Range::choice(&["snapshot", "exact"]), only variant = "paper", "snapshot";
        /// Features are clipped to ± this after normalisation.
        feature_clip: Option<f64> = None => Range::Positive, only variant = "paper", FEATURE_CLIP;
        /// Decay of the running training loss, per inner step; the library's own.
        train_loss_decay: Option<f64> = None => Range::Fraction, only variant = "paper", TRAIN_LOSS_DECAY;
        /// Decay of the running validation loss, per validation batch; the library's own.
        valid_loss_decay: Option<f64> = None => Range::Fraction, only variant = "paper", VALID_LOSS_DECAY;
    }
}

checked_elsewhere!(Variant, OldParams);

/// Default bound of the paper variant's normalised features.
pub(super) const FEATURE_CLIP: f64 = 5.0;
/// Default decay of the paper variant's train loss normaliser; the library's own.
pub(super) const TRAIN_LOSS_DECAY: f64 = 0.9;
/// Default decay of the paper variant's validation loss normaliser; the library's own.
pub(super) const VALID_LOSS_DECAY: f64 = 0.95;

impl Config for HierarchicalConfig {
    fn checked(mut self) -> Result<Self> {
        self.check_ranges()?;
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
