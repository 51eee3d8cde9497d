//! Initialisers of weight matrices (spec: TaskSet §1.4).

use super::orthonormal::orthonormalize;
use crate::error::{Error, Result};
use crate::rng::Key;
use serde::{Deserialize, Serialize};

/// Standard deviation of a standard normal cut at ±2.
const TRUNCATED_STD: f64 = 0.879_625_661_034_239_8;

/// Initialiser of a matrix `[fan_in, fan_out]`. Braces without fields, because serde lets a unit variant have any.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "name", rename_all = "snake_case", deny_unknown_fields)]
pub enum Init {
    /// Truncated normal, standard deviation √(2/fan_in).
    HeNormal {},
    /// Uniform ±√(6/fan_in).
    HeUniform {},
    /// Truncated normal, standard deviation √(2/(fan_in + fan_out)).
    GlorotNormal {},
    /// Uniform ±√(6/(fan_in + fan_out)).
    GlorotUniform {},
    /// Truncated normal, standard deviation √(1/fan_in).
    LecunNormal {},
    /// Random orthogonal matrix times `scale`.
    Orthogonal {
        /// Gain.
        scale: f64,
    },
    /// Uniform ±`scale`.
    RandomUniform {
        /// Half width.
        scale: f64,
    },
    /// Normal with standard deviation `scale`.
    RandomNormal {
        /// Standard deviation.
        scale: f64,
    },
    /// Normal with standard deviation `scale`: as TaskSet has it, not truncated.
    TruncatedNormal {
        /// Standard deviation.
        scale: f64,
    },
    /// Truncated normal, standard deviation √(`scale`/fan_in).
    VarianceScaling {
        /// Variance times fan_in.
        scale: f64,
    },
}

impl Default for Init {
    fn default() -> Self {
        Self::HeNormal {}
    }
}

impl Init {
    /// Checks the argument.
    /// # Errors
    /// `InvalidOption` if `scale` is not above 0 and finite, as f32 too.
    pub fn validate(&self) -> Result<()> {
        match *self {
            Self::Orthogonal { scale }
            | Self::RandomUniform { scale }
            | Self::RandomNormal { scale }
            | Self::TruncatedNormal { scale }
            | Self::VarianceScaling { scale }
                if !(scale as f32 > 0.0 && (scale as f32).is_finite()) =>
            {
                Err(Error::option(format!(
                    "task config: expected `init.scale` to be a number > 0 that f32 holds, got {scale}"
                )))
            }
            _ => Ok(()),
        }
    }

    /// Fills the row-major matrix `[fan_in, fan_out]`.
    pub fn fill(&self, key: Key, fan_in: usize, fan_out: usize, out: &mut [f32]) {
        let (rows, sum) = (fan_in as f64, (fan_in + fan_out) as f64);
        let truncated = |out: &mut [f32], std: f64| {
            key.fill_truncated_normal(out);
            scale_by(out, std / TRUNCATED_STD);
        };
        let uniform = |out: &mut [f32], bound: f64| {
            key.fill_uniform(out);
            out.iter_mut().for_each(|x| *x = ((f64::from(*x) * 2.0 - 1.0) * bound) as f32);
        };
        match *self {
            Self::HeNormal {} => truncated(out, (2.0 / rows).sqrt()),
            Self::HeUniform {} => uniform(out, (6.0 / rows).sqrt()),
            Self::GlorotNormal {} => truncated(out, (2.0 / sum).sqrt()),
            Self::GlorotUniform {} => uniform(out, (6.0 / sum).sqrt()),
            Self::LecunNormal {} => truncated(out, (1.0 / rows).sqrt()),
            Self::VarianceScaling { scale } => truncated(out, (scale / rows).sqrt()),
            Self::RandomUniform { scale } => uniform(out, scale),
            Self::RandomNormal { scale } | Self::TruncatedNormal { scale } => {
                key.fill_normal(out);
                scale_by(out, scale);
            }
            Self::Orthogonal { scale } => orthogonal(key, fan_in, fan_out, scale, out),
        }
    }
}

fn scale_by(out: &mut [f32], factor: f64) {
    out.iter_mut().for_each(|x| *x = (f64::from(*x) * factor) as f32);
}

/// Orthonormal rows or columns, whichever are fewer, times `gain`.
fn orthogonal(key: Key, rows: usize, cols: usize, gain: f64, out: &mut [f32]) {
    let (long, short) = (rows.max(cols), rows.min(cols));
    // The stream fills a [long, short] matrix row by row.
    key.fill_normal(out);
    let mut q: Vec<f64> =
        (0..short).flat_map(|j| out.iter().skip(j).step_by(short)).map(|&x| f64::from(x)).collect();
    orthonormalize(&mut q, long);
    for i in 0..rows {
        for j in 0..cols {
            let (a, b) = if rows >= cols { (i, j) } else { (j, i) };
            out[i * cols + j] = (q[b * long + a] * gain) as f32;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Purpose;

    fn filled(init: Init, rows: usize, cols: usize) -> Vec<f32> {
        let mut w = vec![0.0; rows * cols];
        init.fill(Key::new(5, Purpose::TaskContent), rows, cols, &mut w);
        w
    }

    fn std(w: &[f32]) -> f64 {
        (w.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>() / w.len() as f64).sqrt()
    }

    /// Closed-form standard deviations; 60,000 draws give them to 1 %.
    #[test]
    fn standard_deviations() {
        let (rows, cols) = (200, 300);
        let third = 3f64.sqrt();
        for (init, want) in [
            (Init::HeNormal {}, (2.0 / 200f64).sqrt()),
            (Init::HeUniform {}, (6.0 / 200f64).sqrt() / third),
            (Init::GlorotNormal {}, (2.0 / 500f64).sqrt()),
            (Init::GlorotUniform {}, (6.0 / 500f64).sqrt() / third),
            (Init::LecunNormal {}, (1.0 / 200f64).sqrt()),
            (Init::RandomUniform { scale: 0.7 }, 0.7 / third),
            (Init::RandomNormal { scale: 0.7 }, 0.7),
            (Init::TruncatedNormal { scale: 0.7 }, 0.7),
            (Init::VarianceScaling { scale: 3.0 }, (3.0 / 200f64).sqrt()),
        ] {
            let got = std(&filled(init, rows, cols));
            assert!((got / want - 1.0).abs() < 0.01, "{init:?}: {got} vs {want}");
        }
    }

    /// QᵀQ = gain²·I to f32 rounding, for tall and wide matrices.
    #[test]
    fn orthogonal_is_orthogonal() {
        for (rows, cols) in [(7, 3), (3, 7), (5, 5), (1, 4)] {
            let w = filled(Init::Orthogonal { scale: 2.0 }, rows, cols);
            let short = rows.min(cols);
            let at =
                |a: usize, b: usize| f64::from(if rows >= cols { w[a * cols + b] } else { w[b * cols + a] });
            for i in 0..short {
                for j in 0..short {
                    let dot: f64 = (0..rows.max(cols)).map(|a| at(a, i) * at(a, j)).sum();
                    assert!(
                        (dot - if i == j { 4.0 } else { 0.0 }).abs() < 1e-5,
                        "{rows}x{cols} {i},{j}: {dot}"
                    );
                }
            }
        }
    }
}
