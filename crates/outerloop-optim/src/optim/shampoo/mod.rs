//! Shampoo: its options, the rule at work, and inverse roots.

mod bound;
mod config;
mod inverse_root;

pub use config::Shampoo;
