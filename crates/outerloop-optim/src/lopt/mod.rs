//! Learned optimizers: update rules whose constants, theta, are meta-trained.
//!
//! Each sends features of every parameter through the shared per-parameter network (`mlp::ParamMlp`). `mlp_lopt`, `adafac_mlp`
//! and Celo2 describe their features as data (`features::Features`, `rule::Rule`): a new optimizer of their kind needs no
//! kernel. The hierarchical optimizer has passes of its own. Theta's leaves have the names and shapes of
//! google/learned_optimization, so that files are interchangeable.
#![allow(clippy::needless_range_loop, reason = "arrays of registers are walked by index; see crate::simd")]

mod accumulate;
mod adafac_mlp;
mod adafac_nominal;
mod celo;
mod celo2;
mod celo_adam;
mod columns;
mod embedding;
pub(crate) mod factored;
mod factored_rule;
mod features;
mod fill;
mod hierarchical;
mod hierarchical_features;
mod hyper_lstm;
mod l2l;
mod learnable;
mod loss_buffer;
mod loss_normalizer;
mod lstm;
mod mlp;
mod mlp_lopt;
mod nn_adam;
mod nominal;
mod param_cell;
mod param_lstm;
mod param_rnn;
mod param_rnn_bound;
mod rms_mlp;
mod rule;
mod sides;
mod transposed;
mod velo;
mod velo_features;

pub use adafac_mlp::{AdafacMlp, AdafacMlpConfig};
pub use adafac_nominal::{AdafacNominal, AdafacNominalConfig};
pub use celo::{Celo, CeloConfig};
pub use celo_adam::{CeloAdam, CeloAdamConfig};
pub use celo2::{Celo2, Celo2Config};
pub use hierarchical::Hierarchical;
pub use hierarchical::{HierarchicalConfig, OldParams, Variant};
pub use l2l::{L2lGruConfig, L2lLstmConfig};
pub use learnable::{LearnableAdamConfig, LearnableSgdConfig, LearnableSgdmConfig};
pub use mlp_lopt::{MlpLopt, MlpLoptConfig};
pub use nn_adam::{NnAdam, NnAdamConfig};
pub use param_lstm::{ParamLstm, ParamLstmConfig};
pub use rms_mlp::{RmsMlp, RmsMlpConfig};
pub use velo::{Velo, VeloConfig};

/// Distance between rows of a block's arrays: room for the last run to write whole registers.
const STRIDE: usize = crate::tensor::BLOCK + crate::simd::LANES;

/// Registers of columns that go through both hidden layers together.
const VECTORS: usize = 3;
