//! Random matrices and vectors of the quadratic family (spec: TaskSet §2.11).

use crate::error::{Error, Result};
use crate::program::orthonormalize;
use crate::rng::Key;
use serde::{Deserialize, Serialize};

/// Distribution of independent numbers.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Distribution {
    /// Normal.
    Normal {
        /// Mean.
        mean: f64,
        /// Standard deviation, at least 0.
        std: f64,
    },
    /// Uniform in [min, max).
    Uniform {
        /// Lower end.
        min: f64,
        /// Upper end, at least `min`.
        max: f64,
    },
}

/// Distribution of a square matrix.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum MatrixKind {
    /// Independent normal entries.
    Normal {
        /// Mean.
        mean: f64,
        /// Standard deviation, at least 0.
        std: f64,
    },
    /// Independent uniform entries.
    Uniform {
        /// Lower end.
        min: f64,
        /// Upper end, at least `min`.
        max: f64,
    },
    /// Random rotation of eigenvalues evenly spaced in [min, max].
    LinspaceEigen {
        /// Smallest eigenvalue.
        min: f64,
        /// Largest eigenvalue.
        max: f64,
    },
    /// Random rotation of eigenvalues log-evenly spaced in [min, max], both above 0.
    LogspaceEigen {
        /// Smallest eigenvalue.
        min: f64,
        /// Largest eigenvalue.
        max: f64,
    },
}

impl Distribution {
    /// Checks the arguments; `field` names them in the error.
    /// # Errors
    /// `InvalidOption`.
    pub fn validate(&self, field: &str) -> Result<()> {
        let (ok, range) = match *self {
            Self::Normal { mean, std } => {
                (mean.is_finite() && std.is_finite() && std >= 0.0, "finite, std >= 0")
            }
            Self::Uniform { min, max } => {
                (min.is_finite() && max.is_finite() && min <= max, "finite, min <= max")
            }
        };
        check(ok, field, range, self)
    }

    /// Draws `out`.
    pub fn fill(&self, key: Key, out: &mut [f32]) {
        match *self {
            Self::Normal { mean, std } => {
                key.fill_normal(out);
                out.iter_mut().for_each(|x| *x = (mean + std * f64::from(*x)) as f32);
            }
            Self::Uniform { min, max } => {
                key.fill_uniform(out);
                out.iter_mut().for_each(|x| *x = (min + (max - min) * f64::from(*x)) as f32);
            }
        }
    }
}

impl MatrixKind {
    /// Checks the arguments; `field` names them in the error.
    /// # Errors
    /// `InvalidOption`.
    pub fn validate(&self, field: &str) -> Result<()> {
        match *self {
            Self::Normal { mean, std } => Distribution::Normal { mean, std }.validate(field),
            Self::Uniform { min, max } => Distribution::Uniform { min, max }.validate(field),
            Self::LinspaceEigen { min, max } => {
                check(min.is_finite() && max.is_finite() && min <= max, field, "finite, min <= max", self)
            }
            Self::LogspaceEigen { min, max } => {
                check(max.is_finite() && min > 0.0 && min <= max, field, "finite, 0 < min <= max", self)
            }
        }
    }

    /// Draws the row-major matrix `[d, d]` into `out`; allocates only where `scratch` must grow.
    pub fn fill(&self, key: Key, d: usize, out: &mut [f32], scratch: &mut MatrixScratch) {
        match *self {
            Self::Normal { mean, std } => Distribution::Normal { mean, std }.fill(key, out),
            Self::Uniform { min, max } => Distribution::Uniform { min, max }.fill(key, out),
            Self::LinspaceEigen { min, max } => rotate(key, d, |u| min + (max - min) * u, out, scratch),
            Self::LogspaceEigen { min, max } => {
                let (low, high) = (libm::log(min), libm::log(max));
                rotate(key, d, |u| libm::exp(low + (high - low) * u), out, scratch);
            }
        }
    }
}

/// Room for [`MatrixKind::fill`].
#[derive(Clone, Debug, Default)]
pub struct MatrixScratch {
    /// Columns of Q, one after another.
    columns: Vec<f64>,
    /// One row of the result.
    row: Vec<f64>,
}

fn check(ok: bool, field: &str, range: &str, got: &impl std::fmt::Debug) -> Result<()> {
    if ok {
        Ok(())
    } else {
        Err(Error::option(format!("task config: expected `{field}` to be {range}, got {got:?}")))
    }
}

/// Q·diag(λ)·Qᵀ with λ_i = eigenvalue(i/(d−1)) and Q from a uniform(−1, 1) matrix.
fn rotate(key: Key, d: usize, eigenvalue: impl Fn(f64) -> f64, out: &mut [f32], scratch: &mut MatrixScratch) {
    let MatrixScratch { columns, row } = scratch;
    columns.resize(d * d, 0.0);
    row.resize(d, 0.0);
    key.fill_uniform(out);
    for i in 0..d {
        for j in 0..d {
            columns[j * d + i] = 2.0 * f64::from(out[i * d + j]) - 1.0;
        }
    }
    orthonormalize(columns, d);
    for i in 0..d {
        row.fill(0.0);
        for (k, q) in columns.chunks_exact(d).enumerate() {
            let scaled = q[i] * eigenvalue(k as f64 / (d.max(2) - 1) as f64);
            row.iter_mut().zip(q).for_each(|(sum, q)| *sum += scaled * q);
        }
        out[i * d..][..d].iter_mut().zip(&*row).for_each(|(out, &sum)| *out = sum as f32);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Purpose;

    /// Trace and Frobenius norm of Q·diag(λ)·Qᵀ are Σλ and √Σλ²; f32 entries give them to 1e-4 relative.
    #[test]
    fn eigenvalues_are_the_given_ones() {
        let d = 20;
        let mut m = vec![0f32; d * d];
        let (key, mut scratch) = (Key::new(1, Purpose::TaskContent), MatrixScratch::default());
        MatrixKind::LinspaceEigen { min: 1.0, max: 3.0 }.fill(key, d, &mut m, &mut scratch);
        let trace: f64 = (0..d).map(|i| f64::from(m[i * d + i])).sum();
        let square: f64 = m.iter().map(|&x| f64::from(x).powi(2)).sum();
        let lambda = |i: usize| 1.0 + 2.0 * i as f64 / 19.0;
        assert!((trace / (0..d).map(lambda).sum::<f64>() - 1.0).abs() < 1e-4);
        assert!((square / (0..d).map(|i| lambda(i).powi(2)).sum::<f64>() - 1.0).abs() < 1e-4);
    }
}
