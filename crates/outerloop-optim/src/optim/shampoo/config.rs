//! Shampoo: gradients of matrices, preconditioned from both sides. With G the gradient as a matrix of rows and columns:
//! L ← β₂L + (1 − β₂)GGᵀ, R ← β₂R + (1 − β₂)GᵀG; u = (L + εI)^(−1/4)·G·(R + εI)^(−1/4), as long as G; m ← β₁m + u;
//! p ← p − lr·(u + β₁m).
//!
//! ε is `matrixEps` times the largest eigenvalue. An axis longer than `maxDim` has the diagonal of its matrix only. Vectors
//! have one side, and a root of −1/2; of tensors of rank above 2 all axes but the last are rows. Before update `start` u
//! is G.
//!
//! # References
//! Gupta, Koren, Singer 2018, arXiv:1802.09568; exponents, ridge, start, grafting onto gradient descent and Nesterov's
//! momentum as in google-research's `distributed_shampoo` (Anil et al. 2020, arXiv:2002.09018), from a description: it is
//! not followed to the bit. Differences: one block a tensor; roots by eigenvalues in f64 (Jacobi's method) where that has
//! Newton's iteration. They cost about 70·n³ operations for an axis of n, every `every` updates, and dominate from about
//! n = 64 on; the statistics lose small eigenvalues to f32, whose roots are right to 2⁻²⁴/`matrixEps`.

use super::bound::Bound;
use crate::error::Result;
use crate::optim::checks::{fraction, point_9, point_999, positive, size};
use crate::optim::{Config, Cost, GradRange, Needs, Optimizer, Overwrites, Theta, ThetaSpec, Update};
use crate::params::{ParamLayout, TensorSpec};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Options of Shampoo.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Shampoo {
    /// Learning rate, above 0: that of gradient descent with momentum, whose steps are as long.
    pub lr: f64,
    /// Decay of the sum of directions, in [0, 1).
    #[serde(default = "point_9")]
    pub momentum: f64,
    /// Decay of the statistics, in [0, 1).
    #[serde(default = "point_999")]
    pub beta2: f64,
    /// Added to the statistics in units of their largest eigenvalue, above 0.
    #[serde(default = "millionth")]
    pub matrix_eps: f64,
    /// The first update that is preconditioned, counted from 1.
    #[serde(default = "five")]
    pub start: usize,
    /// Updates from one computation of roots to the next, from 1.
    #[serde(default = "one")]
    pub every: usize,
    /// Longest axis with a whole matrix, 1 to 1024.
    #[serde(default = "size_128")]
    pub max_dim: usize,
}

fn millionth() -> f64 {
    1e-6
}

fn five() -> usize {
    5
}

fn one() -> usize {
    1
}

fn size_128() -> usize {
    128
}

impl Config for Shampoo {
    fn checked(self) -> Result<Self> {
        positive("lr", self.lr)?;
        fraction("momentum", self.momentum)?;
        fraction("beta2", self.beta2)?;
        positive("matrixEps", self.matrix_eps)?;
        size("start", self.start, 1 << 30)?;
        size("every", self.every, 1 << 30)?;
        size("maxDim", self.max_dim, 1024)?;
        Ok(self)
    }

    fn build(self) -> Result<Arc<dyn Optimizer>> {
        Ok(Arc::new(ShampooOptimizer { config: self, theta: ThetaSpec::default() }))
    }
}

struct ShampooOptimizer {
    config: Shampoo,
    theta: ThetaSpec,
}

/// Rows and columns of a tensor as a matrix; a vector is one column.
pub(super) fn as_matrix(shape: &[usize]) -> [usize; 2] {
    match shape {
        [] => [1, 1],
        &[len] => [len, 1],
        [.., cols] => [shape.iter().product::<usize>() / cols, *cols],
    }
}

impl Shampoo {
    /// Floats of the statistics of an axis.
    pub(super) fn side_len(&self, dim: usize) -> usize {
        if dim <= self.max_dim { dim * dim } else { dim }
    }
}

impl Optimizer for ShampooOptimizer {
    fn theta_spec(&self) -> &ThetaSpec {
        &self.theta
    }

    fn state_layout(&self, params: &ParamLayout) -> Option<ParamLayout> {
        let mut arrays = vec![];
        for spec in params.specs() {
            let array = |name: &str, len: usize| TensorSpec::new(format!("{name}/{}", spec.name), [len]);
            arrays.push(array("trace", spec.len()));
            let [rows, cols] = as_matrix(&spec.shape).map(|dim| self.config.side_len(dim));
            arrays.extend([array("left", rows), array("left_root", rows)]);
            if spec.shape.len() >= 2 {
                arrays.extend([array("right", cols), array("right_root", cols)]);
            }
        }
        ParamLayout::new(arrays).ok()
    }

    fn bind(&self, theta: Theta, params: &ParamLayout) -> Result<Box<dyn Update>> {
        self.theta.check(&theta)?;
        Ok(Box::new(Bound::new(self.config.clone(), params)))
    }

    fn cost(&self) -> Cost {
        // Of a square matrix: momentum, two statistics and their roots.
        Cost { state_floats: 5, macs: 0 }
    }

    fn needs(&self) -> Needs {
        let grad_range = GradRange::SUMS;
        Needs { overwrites_grads: Overwrites::Always, grad_range, ..Needs::default() }
    }
}
