//! The registry of all optimizers, learned and not: the one place that knows them by name.

mod registry;

pub use registry::{Described, OptimizerConfig, build_optimizer};
