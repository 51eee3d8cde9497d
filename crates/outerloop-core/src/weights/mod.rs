//! Weight files of learned optimizers, read and written: flax's msgpack as google/learned_optimization and
//! amoudgl/celo publish it, PyLO's directories, and safetensors without a config.
//!
//! Every file comes down to named [`Leaf`] arrays. [`flat_theta`] matches them against the leaves of an optimizer,
//! strictly; [`infer_optimizer`] says what optimizer leaves look like where a file does not. Files are untrusted: no
//! allocation is larger than the input allows, nesting is bounded, and what is not understood is refused as
//! `CheckpointInvalid`, with the leaf named.

mod flax;
mod flax_tree;
mod infer;
mod leaf;
mod msgpack;
mod plain;
mod pylo;
mod pylo_layout;
mod pylo_notes;

pub use flax::{read_flax, write_flax};
pub use infer::{Choice, Inferred, dead_leaves, infer_optimizer};
pub use leaf::{Leaf, flat_theta, leaves_of};
pub use plain::{PlainLeaves, read_safetensors};
pub use pylo::{DecayOffsets, PyloModule, PyloPart, read_pylo, write_pylo};
pub use pylo_notes::pylo_notes;
