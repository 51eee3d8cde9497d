//! Loss and gradient of the quadratic family: out(‖(A + E)·x‖²).

/// What is done with the squared norm.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum QuadraticOutput {
    /// scale·v.
    Identity,
    /// scale·ln(max(v, 0) + 1e-8).
    Log,
}

/// Loss at `x` and its gradient.
///
/// With M = A + E, y = M·x and v = yᵀy: ∂v/∂x = 2·Mᵀy; the gradient is scale·∂v/∂x, or scale/(v + 1e-8)·∂v/∂x for the
/// log.
/// # Shapes
/// `matrix: [d, d]`, row-major, is A + E; `x: [d]`.
pub fn loss_and_grad(matrix: &[f64], x: &[f64], output: QuadraticOutput, scale: f64) -> (f64, Vec<f64>) {
    let d = x.len();
    let y: Vec<f64> = matrix.chunks_exact(d).map(|row| row.iter().zip(x).map(|(m, x)| m * x).sum()).collect();
    let v: f64 = y.iter().map(|y| y * y).sum();
    let (loss, outer) = match output {
        QuadraticOutput::Identity => (scale * v, scale),
        QuadraticOutput::Log => (scale * (v.max(0.0) + 1e-8).ln(), scale / (v + 1e-8)),
    };
    let grad = (0..d).map(|j| 2.0 * outer * (0..d).map(|i| matrix[i * d + j] * y[i]).sum::<f64>()).collect();
    (loss, grad)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Central differences with h = 1e-5: exact up to rounding for the identity (1e-16·loss/h ≈ 1e-10 at a loss near
    /// 10), h²·f‴/6 ≈ 1e-9 for the log near v = 1.
    #[test]
    fn gradients_are_those_of_finite_differences() {
        const H: f64 = 1e-5;
        let matrix: Vec<f64> = (0..25).map(|i| (12.9898 * i as f64).sin()).collect();
        let x: Vec<f64> = (0..5).map(|i| (78.233 * i as f64 + 0.4).cos()).collect();
        for output in [QuadraticOutput::Identity, QuadraticOutput::Log] {
            let (_, grad) = loss_and_grad(&matrix, &x, output, 1.3);
            for j in 0..5 {
                let moved = |by: f64| {
                    let mut x = x.clone();
                    x[j] += by;
                    loss_and_grad(&matrix, &x, output, 1.3).0
                };
                let difference = (moved(H) - moved(-H)) / (2.0 * H);
                assert!((grad[j] - difference).abs() < 1e-8, "{output:?} {j}: {} {difference}", grad[j]);
            }
        }
    }
}
