//! Celo2: its options and theta, and the rule at work.

mod bound;
mod config;

pub use config::{Celo2, Celo2Config};
