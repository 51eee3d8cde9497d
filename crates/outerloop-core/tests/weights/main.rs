//! Weight files: published ones are read and written byte for byte, theirs and ours are matched strictly, and no input
//! makes the readers panic or accept what is not there.

mod flax;
mod hostile;
mod infer;
mod pylo;
mod specs;
