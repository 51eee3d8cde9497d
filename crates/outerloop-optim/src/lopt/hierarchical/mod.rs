//! The hierarchical optimizer: options, theta, an LSTM per tensor over an MLP per parameter.

mod bound;
mod config;
mod forward;
mod optimizer;
mod tensor;
mod theta;

pub use config::{HierarchicalConfig, OldParams, Variant};
pub(super) use forward::Forward;
pub use optimizer::Hierarchical;
pub(super) use tensor::{clipped_log, sign};
pub(super) use theta::CONSTANTS;
