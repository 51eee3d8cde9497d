//! Theta of the hierarchical optimizer: leaves in the order of the published files.

use super::config::{HierarchicalConfig, Variant};
use crate::lopt::engine::hierarchical_features::MAX_CHANNELS;
use crate::optim::{LeafInit, ThetaSpec};
use crate::params::TensorSpec;

/// Un-normalised inputs of the per-parameter network besides the LSTM's: 11 time features and three sizes.
pub(in crate::lopt) const CONSTANTS: usize = 14;
/// Statistics of a tensor that its LSTM sees.
pub(super) const STATISTICS: usize = 18;

/// ln 0.01 and ln 10: the clipper's first decay and factor.
const CLIP_LOG_COMPLEMENT: f32 = -4.605_170_2;
const CLIP_LOG_MULT: f32 = std::f32::consts::LN_10;
/// Standard deviation of a standard normal cut at ±2.
const TRUNCATED_STD: f64 = 0.879_625_661_034_239_8;

/// Normalised channels of the variant.
pub(super) fn num_channels(config: &HierarchicalConfig) -> usize {
    MAX_CHANNELS - usize::from(config.variant == Variant::Library)
}

/// Inputs of the LSTM.
pub(super) fn num_lstm_inputs(config: &HierarchicalConfig) -> usize {
    config.from_lstm + config.from_mlp + STATISTICS
}

/// The leaves for the sizes of `config`.
pub(super) fn theta_spec(config: &HierarchicalConfig) -> ThetaSpec {
    let HierarchicalConfig { hidden: h, from_mlp, from_lstm, lstm_to_ff, lstm_hidden: lstm, .. } = *config;
    let mut leaves = vec![];
    let mut leaf = |name: String, shape: &[usize], init| leaves.push((TensorSpec::new(name, shape), init));
    if config.variant == Variant::Paper {
        leaf("clip_log_mult".into(), &[], LeafInit::Constant(CLIP_LOG_MULT));
        leaf("clip_log_one_minus_decay".into(), &[], LeafInit::Constant(CLIP_LOG_COMPLEMENT));
    }
    let truncated = |inputs: usize| LeafInit::TruncatedNormal(1.0 / (inputs as f64).sqrt());
    let inputs = num_channels(config) + CONSTANTS + lstm_to_ff;
    for (layer, (rows, cols)) in [(inputs, h), (h, h), (h, 2 + from_mlp)].into_iter().enumerate() {
        leaf(format!("ffmod_params/mlp/~/linear_{layer}/b"), &[cols], LeafInit::Zero);
        leaf(format!("ffmod_params/mlp/~/linear_{layer}/w"), &[rows, cols], truncated(rows));
    }
    for (name, len) in [("initial_from_lstm", from_lstm), ("initial_from_mlp", from_mlp)] {
        leaf(name.into(), &[len], LeafInit::TruncatedNormal((1.0 / len as f64).sqrt() / TRUNCATED_STD));
    }
    leaf("lstm_init_state/hidden".into(), &[1, lstm], LeafInit::Zero);
    leaf("lstm_init_state/cell".into(), &[1, lstm], LeafInit::Zero);
    let mut linear = |name: &str, rows: usize, cols: usize| {
        leaf(format!("{name}/b"), &[cols], LeafInit::Zero);
        leaf(format!("{name}/w"), &[rows, cols], truncated(rows));
    };
    linear("rnn_params/rnn/linear", num_lstm_inputs(config) + lstm, 4 * lstm);
    linear("rnn_to_ff_params/rnn_to_ff", lstm, lstm_to_ff);
    linear("rnn_to_in_params/rnn_to_in", lstm, from_lstm);
    ThetaSpec { leaves }
}
