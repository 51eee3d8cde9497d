//! Newton–Schulz iteration towards the nearest orthogonal matrix (spec: learned_optimizers §1.14).
//!
//! # References
//! Jordan et al. 2024, Muon; coefficients (3.4445, −4.7750, 2.0315), five iterations, as in Celo2.

use crate::layer::transpose;
use crate::simd::{AlignedVec, Cpu, GemmInit, MatMut, MatRef, gemm};

const COEFFICIENTS: [f32; 3] = [3.4445, -4.7750, 2.0315];
const ITERATIONS: usize = 5;
/// Added to the Frobenius norm.
const FLOOR: f32 = 1e-8;

/// Scratch for matrices of bounded size.
#[derive(Debug, Default)]
pub(crate) struct NewtonSchulz {
    x: AlignedVec,
    next: AlignedVec,
    transposed: AlignedVec,
    gram: AlignedVec,
    polynomial: AlignedVec,
}

impl NewtonSchulz {
    /// Room for matrices of the given shapes.
    pub(crate) fn new(shapes: impl Iterator<Item = [usize; 2]>) -> Self {
        let (mut len, mut square) = (0, 0);
        for [rows, cols] in shapes {
            len = len.max(rows * cols);
            square = square.max(rows.min(cols).pow(2));
        }
        let zeros = AlignedVec::zeros;
        Self {
            x: zeros(len),
            next: zeros(len),
            transposed: zeros(len),
            gram: zeros(square),
            polynomial: zeros(square),
        }
    }

    /// Orthogonalises `matrix: [rows, cols]` in place; `norm` is the root of the sum of its squares.
    pub(crate) fn run(&mut self, cpu: Cpu, matrix: &mut [f32], [rows, cols]: [usize; 2], norm: f32) {
        let (m, n, len) = (rows.min(cols), rows.max(cols), rows * cols);
        let Self { x, next, transposed, gram, polynomial } = self;
        let (x, next, transposed) = (&mut x[..len], &mut next[..len], &mut transposed[..len]);
        let (gram, polynomial) = (&mut gram[..m * m], &mut polynomial[..m * m]);
        if rows > cols {
            cpu.run(transpose(matrix, cols, [rows, cols], x, rows));
        } else {
            x.copy_from_slice(matrix);
        }
        let scale = 1.0 / (norm + FLOOR);
        x.iter_mut().for_each(|x| *x *= scale);
        let [a, b, c] = COEFFICIENTS;
        for _ in 0..ITERATIONS {
            cpu.run(transpose(x, n, [m, n], transposed, m));
            let out = MatMut { data: &mut *gram, row: m };
            gemm([m, m, n], by_rows(&*x, n), by_rows(&*transposed, m), out, GemmInit::Zero).run_blocked(cpu);
            let out = MatMut { data: &mut *polynomial, row: m };
            gemm([m, m, m], by_rows(&*gram, m), by_rows(&*gram, m), out, GemmInit::Zero).run_blocked(cpu);
            polynomial.iter_mut().zip(&*gram).for_each(|(p, g)| *p = b * g + c * *p);
            next.iter_mut().zip(&*x).for_each(|(next, x)| *next = a * x);
            let out = MatMut { data: &mut *next, row: n };
            gemm([m, n, m], by_rows(&*polynomial, m), by_rows(&*x, n), out, GemmInit::Keep).run_blocked(cpu);
            x.copy_from_slice(next);
        }
        if rows > cols {
            cpu.run(transpose(x, n, [m, n], matrix, cols));
        } else {
            matrix.copy_from_slice(x);
        }
    }
}

fn by_rows(data: &[f32], row: usize) -> MatRef<'_> {
    MatRef { data, row, col: 1 }
}
