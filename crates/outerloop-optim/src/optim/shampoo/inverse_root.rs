//! Inverse roots of symmetric matrices by their eigenvalues, in f64.

/// Sweeps of rotations at most; ten are many.
const MAX_SWEEPS: usize = 30;
/// Smallest largest eigenvalue that the ridge is relative to.
const MIN_LARGEST: f64 = 1e-16;

/// Scratch for matrices of bounded size.
pub(super) struct InverseRoot {
    /// The matrix, which the rotations make diagonal.
    a: Vec<f64>,
    /// The product of the rotations: rows are eigenvectors.
    v: Vec<f64>,
}

impl InverseRoot {
    /// For matrices of up to `dim` rows.
    pub(super) fn up_to(dim: usize) -> Self {
        Self { a: vec![0.0; dim * dim], v: vec![0.0; dim * dim] }
    }

    /// (A + eps·λ·I)^(−1/power) with λ the largest eigenvalue, for a power of 2 or 4; `matrix` is whole or a diagonal.
    /// All NaN if A is not finite.
    pub(super) fn run(
        &mut self,
        matrix: &[f32],
        dim: usize,
        is_whole: bool,
        power: u32,
        eps: f64,
        out: &mut [f32],
    ) {
        if matrix.iter().any(|x| !x.is_finite()) {
            return out.fill(f32::NAN);
        }
        let root = |x: f64| if power == 2 { 1.0 / x.sqrt() } else { 1.0 / x.sqrt().sqrt() };
        if !is_whole {
            let largest = matrix.iter().fold(MIN_LARGEST, |m, &x| m.max(f64::from(x)));
            for (out, &x) in out.iter_mut().zip(matrix) {
                *out = root(f64::from(x) + eps * largest) as f32;
            }
            return;
        }
        let (a, v) = (&mut self.a[..dim * dim], &mut self.v[..dim * dim]);
        for (a, &x) in a.iter_mut().zip(matrix) {
            *a = f64::from(x);
        }
        v.fill(0.0);
        (0..dim).for_each(|i| v[i * dim + i] = 1.0);
        diagonalise(a, v, dim);
        let largest = (0..dim).fold(MIN_LARGEST, |m, i| m.max(a[i * dim + i]));
        // Rounding may leave an eigenvalue a little below 0.
        (0..dim).for_each(|k| a[k * dim + k] = root(a[k * dim + k].max(0.0) + eps * largest));
        for i in 0..dim {
            for j in 0..=i {
                let sum: f64 = (0..dim).map(|k| v[k * dim + i] * a[k * dim + k] * v[k * dim + j]).sum();
                (out[i * dim + j], out[j * dim + i]) = (sum as f32, sum as f32);
            }
        }
    }
}

/// Jacobi's method: rotations, row by row of pairs, until what is beside the diagonal is nothing beside it.
fn diagonalise(a: &mut [f64], v: &mut [f64], dim: usize) {
    for _ in 0..MAX_SWEEPS {
        let (mut beside, mut total) = (0.0, 0.0);
        for i in 0..dim {
            for j in 0..dim {
                let square = a[i * dim + j] * a[i * dim + j];
                total += square;
                beside += if i == j { 0.0 } else { square };
            }
        }
        if beside <= 1e-28 * total {
            return;
        }
        for p in 0..dim {
            for q in p + 1..dim {
                let off = a[p * dim + q];
                if off == 0.0 {
                    continue;
                }
                let half = (a[q * dim + q] - a[p * dim + p]) / (2.0 * off);
                let tangent = half.signum() / (half.abs() + (half * half + 1.0).sqrt());
                let cosine = 1.0 / (tangent * tangent + 1.0).sqrt();
                rotate(a, v, dim, [p, q], [cosine, tangent * cosine]);
            }
        }
    }
}

/// Rows and columns p and q of `a`, and rows of `v`, rotated by an angle of this cosine and sine.
fn rotate(a: &mut [f64], v: &mut [f64], dim: usize, [p, q]: [usize; 2], [c, s]: [f64; 2]) {
    for k in 0..dim {
        let (x, y) = (a[k * dim + p], a[k * dim + q]);
        (a[k * dim + p], a[k * dim + q]) = (c * x - s * y, s * x + c * y);
    }
    for matrix in [a, v] {
        for k in 0..dim {
            let (x, y) = (matrix[p * dim + k], matrix[q * dim + k]);
            (matrix[p * dim + k], matrix[q * dim + k]) = (c * x - s * y, s * x + c * y);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A rotated diagonal of 1, 16 and 81 has inverse fourth roots 1, 1/2 and 1/3 on the same axes.
    #[test]
    fn roots_are_those_of_the_eigenvalues() {
        let (c, s) = (0.6, 0.8);
        let axes = [[c, s, 0.0], [-s * c, c * c, s], [s * s, -c * s, c]];
        let spectrum = |values: [f64; 3]| -> Vec<f32> {
            let at = |i: usize, j: usize| (0..3).map(|k| values[k] * axes[k][i] * axes[k][j]).sum::<f64>();
            (0..9).map(|n| at(n / 3, n % 3) as f32).collect()
        };
        let mut out = vec![0.0; 9];
        InverseRoot::up_to(3).run(&spectrum([1.0, 16.0, 81.0]), 3, true, 4, 1e-12, &mut out);
        for (got, expected) in out.iter().zip(spectrum([1.0, 0.5, 1.0 / 3.0])) {
            // The matrix is rounded to f32 at 81·2⁻²⁴, the smallest eigenvalue is 1.
            assert!((got - expected).abs() < 5e-6, "{got} {expected}");
        }
        InverseRoot::up_to(3).run(&[4.0, 0.0], 2, false, 2, 1e-2, &mut out);
        assert!((out[0] - 1.0 / 4.04f32.sqrt()).abs() < 1e-7 && (out[1] - 5.0).abs() < 1e-6);
    }
}
