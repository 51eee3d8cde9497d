//! Learned optimizers: update rules whose constants, theta, are meta-trained.
//!
//! Each sends features of every parameter through the shared per-parameter network of `engine`. `mlp_lopt`, `adafac_mlp` and
//! Celo2 describe their features as data: a new optimizer of their kind needs no kernel. The hierarchical optimizer has passes of its own. Theta's leaves have the names and shapes of
//! google/learned_optimization, so that files are interchangeable.
#![allow(clippy::needless_range_loop, reason = "arrays of registers are walked by index; see crate::simd")]

mod adafac_mlp;
mod adafac_nominal;
mod celo;
mod celo2;
mod celo_adam;
mod engine;
mod hierarchical;
mod l2l;
mod learnable;
mod mlp_lopt;
mod nn_adam;
mod param_lstm;
mod rms_mlp;
mod velo;

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
