//! Cutting a flat theta into its leaves.

use crate::error::{Error, Result};

/// Hands out the leaves of a flat theta in order.
pub(super) struct ThetaReader<'a> {
    rest: &'a [f32],
}

impl<'a> ThetaReader<'a> {
    /// A reader of `theta`, which must have `theta_length` numbers.
    pub(super) fn new(theta: &'a [f32], theta_length: usize) -> Result<Self> {
        if theta.len() != theta_length {
            return Err(Error::shape(format!("theta: expected {theta_length} numbers, got {}", theta.len())));
        }
        Ok(Self { rest: theta })
    }

    /// The next `len` numbers, widened.
    pub(super) fn take(&mut self, len: usize) -> Vec<f64> {
        let (leaf, rest) = self.rest.split_at(len);
        self.rest = rest;
        leaf.iter().map(|&x| f64::from(x)).collect()
    }
}
