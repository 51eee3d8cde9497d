//! An LSTM cell with shared weights, one row a tensor (spec: learned_optimizers §1.11).
//!
//! z = [x, h]·W + b in four parts i, g, f, o; c' = σ(f+1)·c + σ(i)·tanh(g); h' = σ(o)·tanh(c').

use crate::optim::Leaf;
use crate::simd::{AlignedVec, Cpu, GemmInit, Kernel, MatMut, MatRef, Simd, gemm, sigmoid, tanh};

/// The cell bound to its weights, for a fixed number of rows.
pub(in crate::lopt) struct Lstm {
    rows: usize,
    inputs: usize,
    hidden: usize,
    /// `[inputs + hidden, 4 * hidden]`.
    w: Leaf,
    b: Leaf,
    /// `[rows, inputs + hidden]`: the caller writes the first `inputs` columns.
    pub(in crate::lopt) x: AlignedVec,
    z: AlignedVec,
}

impl Lstm {
    pub(in crate::lopt) fn new(rows: usize, inputs: usize, hidden: usize, w: Leaf, b: Leaf) -> Self {
        Self {
            rows,
            inputs,
            hidden,
            w,
            b,
            x: AlignedVec::zeros(rows * (inputs + hidden)),
            z: AlignedVec::zeros(rows * 4 * hidden),
        }
    }

    /// The inputs of one row.
    pub(in crate::lopt) fn input(&mut self, row: usize) -> &mut [f32] {
        &mut self.x[row * (self.inputs + self.hidden)..][..self.inputs]
    }

    /// One step of all rows; `hidden` and `cell` are `[rows, hidden]`.
    pub(in crate::lopt) fn step(&mut self, cpu: Cpu, hidden: &mut [f32], cell: &mut [f32]) {
        let (k, n) = (self.inputs + self.hidden, 4 * self.hidden);
        for row in 0..self.rows {
            self.x[row * k + self.inputs..][..self.hidden]
                .copy_from_slice(&hidden[row * self.hidden..][..self.hidden]);
            self.z[row * n..][..n].copy_from_slice(&self.b);
        }
        cpu.run(gemm(
            [self.rows, n, k],
            MatRef { data: &self.x, row: k, col: 1 },
            MatRef { data: &self.w, row: n, col: 1 },
            MatMut { data: &mut self.z, row: n },
            GemmInit::Keep,
        ));
        for row in 0..self.rows {
            let at = row * self.hidden..(row + 1) * self.hidden;
            cpu.run(Gates {
                z: &self.z[row * n..][..n],
                hidden: &mut hidden[at.clone()],
                cell: &mut cell[at],
            });
        }
    }
}

struct Gates<'a> {
    z: &'a [f32],
    hidden: &'a mut [f32],
    cell: &'a mut [f32],
}

impl Kernel for Gates<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let n = self.hidden.len();
        assert!(self.cell.len() == n && self.z.len() == 4 * n);
        for at in (0..n).step_by(S::WIDTH) {
            let live = (n - at).min(S::WIDTH);
            // SAFETY: `live` elements remain in each part.
            unsafe {
                let part = |q: usize| s.load_first(self.z.as_ptr().add(q * n + at), live);
                let keep = sigmoid(s, s.add(part(2), s.splat(1.0)));
                let write = s.mul(sigmoid(s, part(0)), tanh(s, part(1)));
                let c = self.cell.as_mut_ptr().add(at);
                let cell = s.fma(keep, s.load_first(c, live), write);
                s.store_first(c, cell, live);
                let h = s.mul(sigmoid(s, part(3)), tanh(s, cell));
                s.store_first(self.hidden.as_mut_ptr().add(at), h, live);
            }
        }
    }
}

/// y = x·W + b for one row: `w: [x.len(), y.len()]`.
pub(in crate::lopt) struct Linear<'a> {
    pub(in crate::lopt) x: &'a [f32],
    pub(in crate::lopt) w: &'a [f32],
    pub(in crate::lopt) b: &'a [f32],
    pub(in crate::lopt) y: &'a mut [f32],
}

impl Kernel for Linear<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let n = self.y.len();
        assert!(self.b.len() == n && self.w.len() == self.x.len() * n);
        for at in (0..n).step_by(S::WIDTH) {
            let live = (n - at).min(S::WIDTH);
            // SAFETY: `live` columns remain in every row of `w`, in `b` and in `y`.
            unsafe {
                let mut y = s.load_first(self.b.as_ptr().add(at), live);
                for (i, &x) in self.x.iter().enumerate() {
                    y = s.fma(s.splat(x), s.load_first(self.w.as_ptr().add(i * n + at), live), y);
                }
                s.store_first(self.y.as_mut_ptr().add(at), y, live);
            }
        }
    }
}
