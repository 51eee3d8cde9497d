//! SM3 (Anil, Gupta, Koren, Singer 2019, arXiv:1901.11150), in optax's form with b2 = 1.

use super::ReferenceOptimizer;
use super::constants::{Constants, Decay};
use super::primitives::rsqrt;
use super::tensor::Tensor;
use crate::params::TensorSpec;

/// a = g² + the least of the axes' squares; u = g·rsqrt(a + 1e-8), 0 where a is 0; τ ← β·τ + (1 − β)·u; p ← p − lr·τ;
/// the squares of every axis become the largest a over the other axes. A scalar is a vector of one.
#[derive(Clone, Debug)]
pub struct Sm3 {
    lr: f64,
    momentum: f64,
    constants: Constants,
    iteration: Tensor,
    /// `[tensor][axis]`.
    mu: Vec<Vec<Tensor>>,
    nu: Vec<Tensor>,
}

impl Sm3 {
    /// All zero.
    pub fn new(lr: f64, momentum: f64, specs: &[TensorSpec], constants: Constants) -> Self {
        let shape = |s: &TensorSpec| if s.shape.is_empty() { vec![1] } else { s.shape.clone() };
        let axes = |s: &TensorSpec| {
            let axis = |(k, n): (usize, usize)| Tensor::filled(format!("mu|{}|{k}", s.name), [n], 0.0);
            shape(s).into_iter().enumerate().map(axis).collect()
        };
        Self {
            lr,
            momentum,
            constants,
            iteration: Tensor::scalar("iteration", 0.0),
            mu: specs.iter().map(axes).collect(),
            nu: specs.iter().map(|s| Tensor::filled(format!("nu|{}", s.name), shape(s), 0.0)).collect(),
        }
    }
}

impl ReferenceOptimizer for Sm3 {
    fn step(&mut self, params: &mut [Tensor], grads: &[Tensor], _loss: f64, _valid_loss: Option<f64>) {
        let (lr, momentum) = (self.constants.literal(self.lr), Decay::literal(self.momentum, self.constants));
        let eps = self.constants.literal(1e-8);
        self.iteration.data[0] += 1.0;
        for (tensor, (p, g)) in params.iter_mut().zip(grads).enumerate() {
            let shape = self.nu[tensor].shape.clone();
            let old = self.mu[tensor].clone();
            self.mu[tensor].iter_mut().for_each(|axis| axis.data.fill(0.0));
            for i in 0..p.data.len() {
                // Place of the element along an axis.
                let along = |k: usize| i / shape[k + 1..].iter().product::<usize>() % shape[k];
                let least = (0..shape.len()).map(|k| old[k].data[along(k)]).fold(f64::INFINITY, f64::min);
                let a = g.data[i] * g.data[i] + least;
                let u = if a > 0.0 { g.data[i] * rsqrt(a + eps) } else { 0.0 };
                let nu = &mut self.nu[tensor].data[i];
                momentum.update(nu, u);
                p.data[i] -= lr * *nu;
                for k in 0..shape.len() {
                    let square = &mut self.mu[tensor][k].data[along(k)];
                    *square = square.max(a);
                }
            }
        }
    }

    fn state(&self) -> Vec<&Tensor> {
        self.mu.iter().flatten().chain(&self.nu).chain([&self.iteration]).collect()
    }

    fn state_mut(&mut self) -> Vec<&mut Tensor> {
        self.mu.iter_mut().flatten().chain(&mut self.nu).chain([&mut self.iteration]).collect()
    }
}
