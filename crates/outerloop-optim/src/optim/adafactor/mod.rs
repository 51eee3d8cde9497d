//! Adafactor: its options, and the rule at work.

mod bound;
mod config;

pub use config::Adafactor;
