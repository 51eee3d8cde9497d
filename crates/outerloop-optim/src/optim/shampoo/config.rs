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
use crate::optim::options::options;
use crate::optim::{Config, Cost, GradRange, Needs, Optimizer, Overwrites, Theta, ThetaSpec, Update};
use crate::params::{ParamLayout, TensorSpec};
use std::sync::Arc;

options! {
    /// Shampoo (Gupta et al. 2018, arXiv:1802.09568): u = (L + εI)^(−1/4)·G·(R + εI)^(−1/4), as long as the gradient
    /// G, with running means L of GGᵀ and R of GᵀG; m ← momentum·m + u; p ← p − lr·(u + momentum·m). Roots of an axis
    /// of n take about 70·n³ operations.
    pub struct Shampoo {
        /// Learning rate: that of gradient descent with momentum, whose steps are as long.
        lr: f64 => Range::Positive;
        /// Decay of the sum of directions.
        momentum: f64 = 0.9 => Range::Fraction;
        /// Decay of L and R.
        beta2: f64 = 0.999 => Range::Fraction;
        /// ε, in units of the largest eigenvalue.
        matrix_eps: f64 = 1e-6 => Range::Positive;
        /// The first update that is preconditioned, counted from 1; before it u is G.
        start: usize = 5 => Range::integer(1, 1 << 30);
        /// Updates from one computation of roots to the next.
        every: usize = 1 => Range::integer(1, 1 << 30);
        /// Longest axis with a whole matrix; longer ones have its diagonal.
        max_dim: usize = 128 => Range::integer(1, 1024);
    }
}

impl Config for Shampoo {
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
