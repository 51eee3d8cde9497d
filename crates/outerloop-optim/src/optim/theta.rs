//! Theta: the weights of a learned optimizer, flat, and their leaves.

use crate::error::{Error, Result};
use crate::params::TensorSpec;
use crate::rng::Key;
use std::sync::Arc;

/// Weights of a learned optimizer, flat in leaf order; empty for a hand-designed one. Shared, so that binding a rule to a
/// theta of millions of weights copies nothing.
pub type Theta = Arc<[f32]>;

/// How one leaf of theta starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LeafInit {
    /// Zeros.
    Zero,
    /// All `value`.
    Constant(f32),
    /// Normal truncated to ±2, times this.
    TruncatedNormal(f64),
}

/// Leaves of theta with their initialisers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ThetaSpec {
    /// Name, shape and initialiser of every leaf, in flat order.
    pub leaves: Vec<(TensorSpec, LeafInit)>,
}

impl ThetaSpec {
    /// Number of weights.
    pub fn len(&self) -> usize {
        self.leaves.iter().map(|(leaf, _)| leaf.len()).sum()
    }

    /// Whether the optimizer has no theta.
    pub fn is_empty(&self) -> bool {
        self.leaves.is_empty()
    }

    /// Draws theta, flat.
    pub fn init(&self, key: Key) -> Vec<f32> {
        let mut theta = vec![0.0; self.len()];
        let mut rest = &mut theta[..];
        for (i, (leaf, init)) in self.leaves.iter().enumerate() {
            let (out, tail) = rest.split_at_mut(leaf.len());
            rest = tail;
            match *init {
                LeafInit::Zero => {}
                LeafInit::Constant(value) => out.fill(value),
                LeafInit::TruncatedNormal(scale) => {
                    key.fold(i as u64).fill_truncated_normal(out);
                    out.iter_mut().for_each(|x| *x = (f64::from(*x) * scale) as f32);
                }
            }
        }
        theta
    }

    /// Where leaf `name` lies in flat theta.
    /// # Errors
    /// `InvalidOption` if there is no such leaf.
    pub fn find(&self, name: &str) -> Result<std::ops::Range<usize>> {
        let mut at = 0;
        for (leaf, _) in &self.leaves {
            if leaf.name == name {
                return Ok(at..at + leaf.len());
            }
            at += leaf.len();
        }
        let names: Vec<&str> = self.leaves.iter().map(|(leaf, _)| leaf.name.as_str()).collect();
        Err(Error::option(format!("theta: expected a leaf of {}, got `{name}`", names.join(", "))))
    }

    /// As [`ThetaSpec::find`].
    /// # Panics
    /// If there is no such leaf: a bug of the caller.
    pub(crate) fn range(&self, name: &str) -> std::ops::Range<usize> {
        self.find(name).unwrap_or_else(|e| panic!("{}", e.message))
    }

    /// The slice of flat `theta` that holds leaf `name`.
    /// # Panics
    /// If there is no such leaf or theta is too short: a bug of the caller, which checked the length.
    pub(crate) fn leaf<'a>(&self, theta: &'a [f32], name: &str) -> &'a [f32] {
        &theta[self.range(name)]
    }

    /// Leaf `name` of a shared theta, without a copy.
    /// # Panics
    /// As [`ThetaSpec::leaf`].
    pub(crate) fn share(&self, theta: &Theta, name: &str) -> Leaf {
        Leaf { theta: theta.clone(), range: self.range(name) }
    }

    /// Checks a flat theta's length.
    /// # Errors
    /// `ShapeMismatch` if it is not this spec's.
    pub fn check(&self, theta: &[f32]) -> Result<()> {
        if theta.len() == self.len() {
            return Ok(());
        }
        Err(Error::shape(format!("theta: expected {} weights, got {}", self.len(), theta.len())))
    }
}

/// One leaf of a shared theta.
#[derive(Clone, Debug)]
pub(crate) struct Leaf {
    theta: Theta,
    range: std::ops::Range<usize>,
}

impl std::ops::Deref for Leaf {
    type Target = [f32];

    fn deref(&self) -> &[f32] {
        &self.theta[self.range.clone()]
    }
}
