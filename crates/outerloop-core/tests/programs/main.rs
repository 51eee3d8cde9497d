//! Programs: published losses and gradients of whole tasks, what each operation refuses, hostile programs.
#![allow(clippy::unwrap_used, missing_docs)]

#[path = "../golden/mod.rs"]
mod golden;

mod flows;
mod functions;
mod hostile;
mod images;
mod nets;
mod ops;
mod published;
mod sequences;
