//! Shampoo at work: one step over all tensors of a lane.

use super::config::{Shampoo, as_matrix};
use super::inverse_root::InverseRoot;
use crate::layer::transpose;
use crate::optim::elementwise::{Elementwise, MAX_ARRAYS, Sweep};
use crate::optim::mean_decay::MeanDecay;
use crate::optim::squares::Squares;
use crate::optim::{StateMut, Step, Update};
use crate::params::{ALIGN, ParamLayout};
use crate::simd::{AlignedVec, Cpu, GemmInit, MatMut, MatRef, Simd, gemm};
use std::ops::Range;

struct Tensor {
    len: usize,
    params: Range<usize>,
    state: Range<usize>,
    dims: [usize; 2],
    is_vector: bool,
}

/// Shampoo bound to shapes.
pub(super) struct Bound {
    config: Shampoo,
    tensors: Vec<Tensor>,
    squares: Squares,
    roots: InverseRoot,
    /// The transposed gradient, then the half preconditioned one.
    transposed: AlignedVec,
    product: AlignedVec,
}

impl Bound {
    pub(super) fn new(config: Shampoo, params: &ParamLayout) -> Self {
        let (mut at, mut longest, mut largest) = (0, 0, 1);
        let tensors = params.specs().iter().enumerate().map(|(i, spec)| {
            let (start, dims, is_vector) = (at, as_matrix(&spec.shape), spec.shape.len() < 2);
            let sides = if is_vector { &dims[..1] } else { &dims };
            at += spec.len().next_multiple_of(ALIGN);
            at += sides.iter().map(|&d| 2 * config.side_len(d).next_multiple_of(ALIGN)).sum::<usize>();
            longest = longest.max(spec.len());
            largest = sides.iter().filter(|d| **d <= config.max_dim).fold(largest, |l, d| l.max(*d));
            Tensor { len: spec.len(), params: params.padded_range(i), state: start..at, dims, is_vector }
        });
        let tensors = tensors.collect();
        Self {
            config,
            tensors,
            squares: Squares::of(params),
            roots: InverseRoot::up_to(largest),
            transposed: AlignedVec::zeros(longest),
            product: AlignedVec::zeros(longest.max(largest * largest)),
        }
    }
}

impl Update for Bound {
    fn init(&mut self, _: &[f32], _: StateMut<'_>) {}

    fn step(&mut self, step: Step<'_>) {
        let Step { workers, state, mut params, mut grads, scale, .. } = step;
        *state.iteration += 1;
        let t = *state.iteration;
        let starts = self.config.start as u64;
        let is_due = t >= starts && (t - starts).is_multiple_of(self.config.every as u64);
        let momentum = self.config.momentum as f32;
        for i in 0..self.tensors.len() {
            let Tensor { len, params: range, state: place, dims, is_vector } = &self.tensors[i];
            let (len, dims, is_vector) = (*len, *dims, *is_vector);
            let (p, g) = (params.get(i, range), grads.get(i, range));
            let (trace, sides) = state.data[place.clone()].split_at_mut(g.len());
            let norm = self.squares.sum(workers, g).sqrt();
            let cpu = workers.cpu();
            let lens = dims.map(|d| self.config.side_len(d));
            let (left, right) = sides.split_at_mut(2 * lens[0].next_multiple_of(ALIGN));
            let mut both = [left, right];
            let num_sides = if is_vector { 1 } else { 2 };
            for (k, side) in both.iter_mut().enumerate().take(num_sides) {
                let (statistics, roots) = side.split_at_mut(lens[k].next_multiple_of(ALIGN));
                self.feed(cpu, &g[..len], dims, k, &mut statistics[..lens[k]]);
                if is_due {
                    let power = if is_vector { 2 } else { 4 };
                    let eps = self.config.matrix_eps;
                    let is_whole = dims[k] <= self.config.max_dim;
                    self.roots.run(
                        &statistics[..lens[k]],
                        dims[k],
                        is_whole,
                        power,
                        eps,
                        &mut roots[..lens[k]],
                    );
                }
            }
            let mut factor = 1.0;
            if t >= starts {
                for (k, side) in both.iter().enumerate().take(num_sides) {
                    let roots = &side[lens[k].next_multiple_of(ALIGN)..][..lens[k]];
                    self.precondition(cpu, &mut g[..len], dims, k, roots);
                }
                let after = self.squares.sum(workers, g).sqrt();
                factor = if after == 0.0 { 1.0 } else { (norm / after) as f32 };
            }
            let rate = self.config.lr as f32 * scale.of(i);
            Sweep::new(Grafted { factor, momentum }, p, g, trace, 0).run(workers, rate);
        }
    }
}

impl Bound {
    /// Feeds the statistics of axis `k`: GGᵀ, GᵀG, or the diagonal of one.
    fn feed(&mut self, cpu: Cpu, g: &[f32], [rows, cols]: [usize; 2], k: usize, statistics: &mut [f32]) {
        let decay = MeanDecay::new(self.config.beta2);
        let (beta, complement) = (decay.beta(), decay.complement());
        let dim = [rows, cols][k];
        let product = &mut self.product[..statistics.len()];
        if dim > self.config.max_dim {
            product.fill(0.0);
            for (i, row) in g.chunks_exact(cols).enumerate() {
                for (j, g) in row.iter().enumerate() {
                    product[if k == 0 { i } else { j }] += g * g;
                }
            }
        } else {
            let transposed = &mut self.transposed[..rows * cols];
            cpu.run(transpose(g, cols, [rows, cols], transposed, rows));
            let (g, transposed) = (by_rows(g, cols), by_rows(transposed, rows));
            let out = MatMut { data: product, row: dim };
            match k {
                0 => gemm([rows, rows, cols], g, transposed, out, GemmInit::Zero).run_blocked(cpu),
                _ => gemm([cols, cols, rows], transposed, g, out, GemmInit::Zero).run_blocked(cpu),
            }
        }
        for (s, x) in statistics.iter_mut().zip(&self.product[..]) {
            *s = beta * *s + complement * x;
        }
    }

    /// G ← root·G, or G·root, of axis `k`.
    fn precondition(&mut self, cpu: Cpu, g: &mut [f32], [rows, cols]: [usize; 2], k: usize, roots: &[f32]) {
        let dim = [rows, cols][k];
        if dim > self.config.max_dim {
            for (i, row) in g.chunks_exact_mut(cols).enumerate() {
                for (j, g) in row.iter_mut().enumerate() {
                    *g *= roots[if k == 0 { i } else { j }];
                }
            }
            return;
        }
        let transposed = &mut self.transposed[..rows * cols];
        transposed.copy_from_slice(g);
        let (before, roots) = (by_rows(transposed, cols), by_rows(roots, dim));
        let out = MatMut { data: g, row: cols };
        match k {
            0 => gemm([rows, cols, rows], roots, before, out, GemmInit::Zero).run_blocked(cpu),
            _ => gemm([rows, cols, cols], before, roots, out, GemmInit::Zero).run_blocked(cpu),
        }
    }
}

fn by_rows(data: &[f32], row: usize) -> MatRef<'_> {
    MatRef { data, row, col: 1 }
}

/// u = factor·g; m ← β·m + u; u + β·m.
#[derive(Clone, Copy)]
struct Grafted {
    factor: f32,
    momentum: f32,
}

impl Elementwise for Grafted {
    const ARRAYS: usize = 1;

    #[inline(always)]
    fn direction<S: Simd>(self, s: S, _: S::V, g: S::V, state: &mut [S::V; MAX_ARRAYS]) -> S::V {
        let (u, beta) = (s.mul(s.splat(self.factor), g), s.splat(self.momentum));
        state[0] = s.fma(beta, state[0], u);
        s.fma(beta, state[0], u)
    }
}
