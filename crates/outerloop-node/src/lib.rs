//! Node-API surface of outerloop-core: converts, calls, converts back. No maths.
//!
//! Structured options cross as JSON text that serde checks; numbers cross as typed arrays. Everything that may take
//! long is a job on its own thread that settles a promise. The TypeScript in `ts/native.ts` is the only caller.
#![deny(clippy::all)]

mod apply;
mod curves;
mod dataset;
mod doctor;
mod error;
mod file_lock;
mod job;
mod json;
mod memory;
mod perturbation;
mod random;
mod roofline;
mod tensors;
mod theta;
mod unroller;
mod weights;
