//! The Newton–Schulz orthogonaliser of Muon.
//!
//! Jordan, Jin, Boza, You, Cesista, Newhouse, Bernstein 2024, "Muon: an optimizer for hidden layers in neural
//! networks", kellerjordan.github.io/posts/muon, with its quintic coefficients; in the form that Celo2
//! (arXiv:2602.19142) has, where the epsilon is added to the norm.

use super::constants::Constants;
use super::primitives::norm;

/// Coefficients a, b, c of the odd quintic a·x + b·x³ + c·x⁵ that is applied to every singular value.
const COEFFICIENTS: [f64; 3] = [3.4445, -4.7750, 2.0315];
/// How often it is applied.
const NUM_ITERATIONS: usize = 5;

/// Moves the singular values of a matrix towards 1, in place: X ← X/(‖X‖ + 1e-8), then five times
/// A = X·Xᵀ, X ← a·X + (b·A + c·A·A)·X. A matrix with more rows than columns is transposed before and after.
/// # Shapes
/// `x: [rows, cols]`, row-major.
pub fn orthogonalise(x: &mut [f64], rows: usize, cols: usize, constants: Constants) {
    if rows > cols {
        let mut transposed = transpose(x, rows, cols);
        orthogonalise(&mut transposed, cols, rows, constants);
        x.copy_from_slice(&transpose(&transposed, cols, rows));
        return;
    }
    let [a, b, c] = COEFFICIENTS.map(|k| constants.literal(k));
    let scale = norm(x) + 1e-8;
    x.iter_mut().for_each(|x| *x /= scale);
    for _ in 0..NUM_ITERATIONS {
        let gram = product(x, &transpose(x, rows, cols), cols);
        let square = product(&gram, &gram, rows);
        let quintic: Vec<f64> = gram.iter().zip(&square).map(|(g, s)| b * g + c * s).collect();
        let correction = product(&quintic, x, rows);
        x.iter_mut().zip(correction).for_each(|(x, d)| *x = a * *x + d);
    }
}

/// The matrix `[cols, rows]`.
fn transpose(x: &[f64], rows: usize, cols: usize) -> Vec<f64> {
    (0..rows * cols).map(|i| x[i % rows * cols + i / rows]).collect()
}

/// Matrix product over a shared axis of length `inner`.
fn product(x: &[f64], y: &[f64], inner: usize) -> Vec<f64> {
    let (rows, cols) = (x.len() / inner, y.len() / inner);
    let at = |i: usize, j: usize| (0..inner).map(|k| x[i * inner + k] * y[k * cols + j]).sum();
    (0..rows * cols).map(|i| at(i / cols, i % cols)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of a diagonal matrix every singular value goes through the scalar quintic by itself; a transposed matrix has
    /// the transposed result. Rounding only: 1e-12.
    #[test]
    fn singular_values_go_through_the_quintic() {
        let singular = [3.0, 0.4];
        let expected = singular.map(|s: f64| {
            let mut s = s / (norm(&singular) + 1e-8);
            for _ in 0..NUM_ITERATIONS {
                let [a, b, c] = COEFFICIENTS;
                s = a * s + b * s.powi(3) + c * s.powi(5);
            }
            s
        });
        let mut wide = [3.0, 0.0, 0.0, 0.0, 0.4, 0.0];
        let mut tall = transpose(&wide, 2, 3);
        orthogonalise(&mut wide, 2, 3, Constants::Exact);
        orthogonalise(&mut tall, 3, 2, Constants::Exact);
        let full = [expected[0], 0.0, 0.0, 0.0, expected[1], 0.0];
        for (got, expected) in wide.iter().zip(full) {
            assert!((got - expected).abs() < 1e-12, "{got} {expected}");
        }
        assert_eq!(transpose(&tall, 3, 2), wide);
    }
}
