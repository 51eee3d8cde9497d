//! Runs inner problems: many short training runs on a private thread pool.
//!
//! A *lane* is one inner problem under one theta. A *particle* is an antithetic pair of lanes with the same initial
//! parameters, minibatches and noise. A particle's truncation runs on one thread, until another one has nothing left to do:
//! then each goes on with a part of the lanes. Results do not depend on the number of threads. An abort leaves the state as it
//! was before the call.

#[cfg(test)]
mod border;
mod curves;
mod job;
mod lane;
mod memory;
mod occupancy;
mod particle;
mod perturbation;
mod plan;
mod saved;
mod shared;
mod truncation;
mod unroller;

pub use curves::{Curve, CurveJob, CurvePoint, run_curves};
pub use job::{JobControl, thread_pool};
pub use lane::LaneStatus;
pub use perturbation::{Noise, PerturbationSum, PerturbationSums, PerturbationTerm, perturb};
pub use plan::{
    AdvancePlan, Carry, LaneResult, LossSource, MetaLoss, ParticlePlan, Reduce, Restart, Segment,
    SegmentResult, Target,
};
pub use unroller::{Unroller, UnrollerOptions};
