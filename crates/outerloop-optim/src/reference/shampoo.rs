//! Shampoo (Gupta, Koren, Singer 2018, arXiv:1802.09568), one block a tensor, its inverse roots by Newton's iteration.

use super::ReferenceOptimizer;
use super::constants::{Constants, Decay};
use super::primitives::norm;
use super::tensor::Tensor;
use crate::params::TensorSpec;

/// Hyperparameters of [`Shampoo`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ShampooConfig {
    /// Learning rate.
    pub lr: f64,
    /// Decay of the sum of directions.
    pub momentum: f64,
    /// Decay of the statistics.
    pub beta2: f64,
    /// Ridge, in units of the largest eigenvalue.
    pub matrix_eps: f64,
    /// The first update that is preconditioned, from 1.
    pub start: usize,
    /// Updates from one computation of roots to the next.
    pub every: usize,
    /// Longest axis with a whole matrix.
    pub max_dim: usize,
}

/// L ← β₂L + (1 − β₂)GGᵀ, R ← β₂R + (1 − β₂)GᵀG; u = L^(−1/4)·G·R^(−1/4)·(norm of G over that product's), the roots with a
/// ridge; m ← β₁m + u; p ← p − lr·(u + β₁m). A vector has one side and a root of −1/2; an axis longer than `max_dim` the
/// diagonal of its matrix; all axes but the last are rows.
#[derive(Clone, Debug)]
pub struct Shampoo {
    config: ShampooConfig,
    constants: Constants,
    iteration: Tensor,
    trace: Vec<Tensor>,
    /// `[tensor][side]`: statistics and roots.
    sides: Vec<Vec<[Tensor; 2]>>,
}

impl Shampoo {
    /// All zero.
    pub fn new(config: ShampooConfig, specs: &[TensorSpec], constants: Constants) -> Self {
        let sides = |spec: &TensorSpec| -> Vec<[Tensor; 2]> {
            let side = |(name, dim): (&str, usize)| {
                let len = if dim > config.max_dim { dim } else { dim * dim };
                let tensor = |part: &str| Tensor::filled(format!("{part}|{}", spec.name), [len], 0.0);
                [tensor(name), tensor(&format!("{name}_root"))]
            };
            let [rows, cols] = dims(&spec.shape);
            let all = [("left", rows), ("right", cols)];
            all.into_iter().take(spec.shape.len().clamp(1, 2)).map(side).collect()
        };
        Self {
            config,
            constants,
            iteration: Tensor::scalar("iteration", 0.0),
            trace: Tensor::per_param("trace", specs, &[]),
            sides: specs.iter().map(sides).collect(),
        }
    }

    /// The preconditioned gradient of one tensor before it is grafted.
    fn direction(&mut self, tensor: usize, shape: &[usize], g: &[f64]) -> Vec<f64> {
        let (c, t) = (self.config, self.iteration.item() as usize);
        let [rows, cols] = dims(shape);
        let transposed = transpose(g, rows, cols);
        let beta = Decay::literal(c.beta2, self.constants);
        let mut u = g.to_vec();
        let power = if shape.len() < 2 { 2 } else { 4 };
        for (k, [statistics, root]) in self.sides[tensor].iter_mut().enumerate() {
            let dim = [rows, cols][k];
            let (a, b, inner) = if k == 0 { (g, &transposed[..], cols) } else { (&transposed[..], g, rows) };
            let gram = product(a, b, inner);
            let is_whole = dim <= c.max_dim;
            for (i, s) in statistics.data.iter_mut().enumerate() {
                beta.update(s, if is_whole { gram[i] } else { gram[i * dim + i] });
            }
            if t < c.start {
                continue;
            }
            if (t - c.start).is_multiple_of(c.every) {
                root.data = inverse_root(&statistics.data, dim, power, c.matrix_eps);
            }
            let mut whole = root.data.clone();
            if !is_whole {
                whole = vec![0.0; dim * dim];
                (0..dim).for_each(|i| whole[i * dim + i] = root.data[i]);
            }
            u = if k == 0 { product(&whole, &u, rows) } else { product(&u, &whole, cols) };
        }
        u
    }
}

/// Rows and columns; a vector is one column.
fn dims(shape: &[usize]) -> [usize; 2] {
    let len: usize = shape.iter().product();
    if shape.len() < 2 { [len, 1] } else { [len / shape[shape.len() - 1], shape[shape.len() - 1]] }
}

fn transpose(x: &[f64], rows: usize, cols: usize) -> Vec<f64> {
    (0..rows * cols).map(|i| x[i % rows * cols + i / rows]).collect()
}

/// Matrix product over a shared axis of length `inner`.
fn product(x: &[f64], y: &[f64], inner: usize) -> Vec<f64> {
    let (rows, cols) = (x.len() / inner, y.len() / inner);
    let at = |i: usize, j: usize| (0..inner).map(|k| x[i * inner + k] * y[k * cols + j]).sum();
    (0..rows * cols).map(|i| at(i / cols, i % cols)).collect()
}

/// (A + eps·λ·I)^(−1/p) with λ the largest eigenvalue, at least 1e-16: of a diagonal element by element; of a matrix by
/// the power method for λ and the coupled iteration M ← T^p·M, H ← H·T with T = ((p + 1)I − M)/p from
/// M = z·A, H = z^(1/p)·I, z = (p + 1)/(2‖A‖).
fn inverse_root(a: &[f64], dim: usize, p: i32, eps: f64) -> Vec<f64> {
    let exponent = -1.0 / f64::from(p);
    if a.len() != dim * dim || dim == 1 {
        let largest = a.iter().fold(1e-16, |m: f64, &x| m.max(x));
        return a.iter().map(|x| (x + eps * largest).powf(exponent)).collect();
    }
    let mut power = a.to_vec();
    let mut log_scale = 0.0;
    // A^(2^20), scaled: of rank 1 but for ties, and its norm tells λ.
    for _ in 0..20 {
        let size = norm(&power);
        if size == 0.0 {
            break;
        }
        power.iter_mut().for_each(|x| *x /= size);
        log_scale = 2.0 * (log_scale + size.ln());
        power = product(&power, &power, dim);
    }
    let trace: f64 = (0..dim).map(|i| power[i * dim + i]).sum();
    let largest = if trace == 0.0 { 0.0 } else { ((log_scale + trace.ln()) / 2f64.powi(20)).exp() };
    let identity = |x: f64, i: usize| if i.is_multiple_of(dim + 1) { x } else { 0.0 };
    let ridge = eps * largest.max(1e-16);
    let a: Vec<f64> = a.iter().enumerate().map(|(i, x)| x + identity(ridge, i)).collect();
    let z = f64::from(1 + p) / (2.0 * norm(&a));
    let mut m: Vec<f64> = a.iter().map(|x| x * z).collect();
    let mut h: Vec<f64> = (0..dim * dim).map(|i| identity(z.powf(-exponent), i)).collect();
    for _ in 0..200 {
        let turn: Vec<f64> =
            m.iter().enumerate().map(|(i, m)| (identity(f64::from(p + 1), i) - m) / f64::from(p)).collect();
        for _ in 0..p {
            m = product(&turn, &m, dim);
        }
        h = product(&h, &turn, dim);
        let error = m.iter().enumerate().map(|(i, m)| (m - identity(1.0, i)).abs()).fold(0.0, f64::max);
        if error < 1e-13 {
            break;
        }
    }
    h
}

impl ReferenceOptimizer for Shampoo {
    fn step(&mut self, params: &mut [Tensor], grads: &[Tensor], _loss: f64, _valid_loss: Option<f64>) {
        let [lr, momentum] = [self.config.lr, self.config.momentum].map(|x| self.constants.literal(x));
        self.iteration.data[0] += 1.0;
        for (tensor, (p, g)) in params.iter_mut().zip(grads).enumerate() {
            let u = self.direction(tensor, &p.shape, &g.data);
            let after = norm(&u);
            let factor = if after == 0.0 { 1.0 } else { norm(&g.data) / after };
            for ((p, u), m) in p.data.iter_mut().zip(u).zip(&mut self.trace[tensor].data) {
                *m = momentum * *m + factor * u;
                *p -= lr * (factor * u + momentum * *m);
            }
        }
    }

    fn state(&self) -> Vec<&Tensor> {
        let sides = self.sides.iter().flatten().flatten();
        std::iter::once(&self.iteration).chain(&self.trace).chain(sides).collect()
    }

    fn state_mut(&mut self) -> Vec<&mut Tensor> {
        let sides = self.sides.iter_mut().flatten().flatten();
        std::iter::once(&mut self.iteration).chain(&mut self.trace).chain(sides).collect()
    }
}
