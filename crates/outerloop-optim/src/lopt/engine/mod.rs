//! What learned optimizers are made of.
//!
//! The per-parameter network (`mlp::ParamMlp`) on columns (`columns::Columns`); features as data (`features::Features`) and
//! the two passes over a tensor that they need (`rule::Rule`, `factored_rule::FactoredRule`); LSTMs over tensors (`lstm`,
//! `hyper_lstm`) and networks per parameter (`param_rnn`); statistics of losses. Nothing here knows an optimizer by name, but
//! `velo_features` and `hierarchical_features`, the inputs of two families of them.

pub(super) mod accumulate;
pub(super) mod columns;
pub(super) mod embedding;
pub(super) mod factored;
pub(super) mod factored_rule;
pub(super) mod features;
pub(super) mod fill;
pub(super) mod hierarchical_features;
pub(super) mod hyper_lstm;
pub(super) mod loss_buffer;
pub(super) mod loss_normalizer;
pub(super) mod lstm;
pub(super) mod mlp;
pub(super) mod nominal;
pub(super) mod param_cell;
pub(super) mod param_rnn;
pub(super) mod param_rnn_bound;
pub(super) mod rule;
pub(super) mod sides;
pub(super) mod transposed;
pub(super) mod velo_features;

/// Distance between rows of a block's arrays: room for the last run to write whole registers.
const STRIDE: usize = crate::tensor::BLOCK + crate::simd::LANES;

/// Registers of columns that go through both hidden layers together.
const VECTORS: usize = 3;
