//! VeLO: options, its bank of MLPs, and statistics of tensors. Celo is made of the same parts.

mod bank;
mod bound;
mod config;
mod statistics;

pub(super) use bound::{Bound, Kind, Sizes};
pub(super) use config::{COST, state_layout, theta_spec};
pub use config::{Velo, VeloConfig};
