//! A task's loss as data: a graph of coarse operations with static shapes, read by whoever wants something of it.
//!
//! A [`Program`] is plain JSON. From it come a candle expression in any dtype and on any device ([`Program::graph`]), whose
//! gradient is autograd's and which in f64 is the authority of tests; and what a step costs ([`Program::cost`]). Shapes are
//! inferred when a program is read and never believed. An operation is one file in `ops/` and one line in `ops/mod.rs`.

mod builder;
mod checked;
mod cost;
mod described;
mod graph;
mod init;
mod op_cost;
pub mod ops;
mod orthonormal;
mod types;

pub use builder::Builder;
pub use checked::{Node, Program, ProgramSpec};
pub use cost::Cost;
pub use graph::Values;
pub use init::Init;
pub use op_cost::OpCost;
pub use ops::Op;
pub(crate) use orthonormal::orthonormalize;
pub use types::{Dtype, Id, Input, Param, Type};
