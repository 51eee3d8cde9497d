//! Adam steered by an LSTM: its options and theta, and the rule at work.

mod bound;
mod config;

pub use config::{NnAdam, NnAdamConfig};
