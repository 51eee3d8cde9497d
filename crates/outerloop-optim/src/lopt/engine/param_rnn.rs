//! Recurrent layers that are run for every parameter by itself, with shared weights.
//!
//! Input is the gradient, as sign and magnitude; then one or two layers, and a linear one whose first output moves the
//! parameter. Every unit of the state is an array over all parameters, so that a register holds one unit of neighbours.
//! A few registers of parameters pass through all layers before the next ones.

use super::VECTORS;
use super::mlp::{WIDEST, tile};
use super::param_cell::{Cell, INPUTS, Layer, Preprocess};
use crate::simd::{AlignedVec, Count, Cpu, Kernel, Simd, Workers, exp, sigmoid, tanh};
use crate::tensor::{load, store};
use std::ops::Range;

/// Elements from which on the threads share a tensor.
const SHARED: usize = 4096;
/// Most parameters under way.
const COLUMNS: usize = VECTORS * WIDEST;

/// What the outputs do.
#[derive(Clone, Copy)]
pub(in crate::lopt) enum Move {
    /// p ← p + step·o₀.
    Add { step: f32 },
    /// p ← p − o₀·exp(exp_mult·o₁)·step.
    Subtract { step: f32, exp_mult: f32 },
}

/// The layers bound to their weights.
pub(in crate::lopt) struct ParamRnn {
    pub(in crate::lopt) cell: Cell,
    pub(in crate::lopt) hidden: usize,
    pub(in crate::lopt) layers: Vec<Layer>,
    /// Output layer, `[hidden, outputs]`.
    pub(in crate::lopt) w: Vec<f32>,
    pub(in crate::lopt) b: Vec<f32>,
    pub(in crate::lopt) preprocess: Preprocess,
    /// [`ParamRnn::scratch_len`] floats for every thread.
    pub(in crate::lopt) scratch: Vec<AlignedVec>,
}

/// One tensor's arrays, padded.
pub(in crate::lopt) struct ParamArrays<'a> {
    /// Elements, without the gap.
    pub(in crate::lopt) len: usize,
    pub(in crate::lopt) params: &'a mut [f32],
    pub(in crate::lopt) grads: &'a [f32],
    /// From the first array's part of this tensor; those of the next start `stride` later.
    pub(in crate::lopt) state: &'a mut [f32],
    pub(in crate::lopt) stride: usize,
}

impl ParamRnn {
    /// Arrays of the state.
    fn num_arrays(&self) -> usize {
        self.layers.len() * self.cell.arrays() * self.hidden
    }

    /// x̂ of a layer, then its gates.
    pub(in crate::lopt) fn scratch_len(&self) -> usize {
        (INPUTS.max(self.hidden) + (1 + self.cell.gates()) * self.hidden) * COLUMNS
    }

    /// One step of a tensor.
    pub(in crate::lopt) fn run(&mut self, workers: Workers<'_>, arrays: ParamArrays<'_>, step: Move) {
        let ParamArrays { len, params, grads, state, stride } = arrays;
        let padded = params.len();
        assert!(grads.len() == padded && len <= padded);
        assert!(state.len() >= (self.num_arrays() - 1) * stride + padded);
        let outputs = if let Move::Add { .. } = step { 1 } else { 2 };
        assert!(self.w.len() == outputs * self.hidden && self.b.len() == outputs);
        let mut inputs = INPUTS;
        for layer in &self.layers {
            let columns = self.cell.gates() * self.hidden;
            assert!(layer.w.len() == (inputs + self.hidden) * columns && layer.b.len() == columns);
            inputs = self.hidden;
        }
        let parts = if len < SHARED { 1 } else { workers.num_threads() };
        let scratch_len = self.scratch_len();
        // Once at most: there are always as many threads.
        while self.scratch.len() < parts {
            self.scratch.push(AlignedVec::zeros(scratch_len));
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        let pieces = Pieces {
            net: self,
            params: params.as_mut_ptr(),
            grads: grads.as_ptr(),
            state: state.as_mut_ptr(),
            stride,
            scratch: scratch.as_mut_ptr(),
            step,
        };
        let share = len.div_ceil(parts).next_multiple_of(COLUMNS);
        workers.each(parts, |i| {
            let from = (i * share).min(len);
            pieces.run(workers.cpu(), i, from..(from + share).min(len));
        });
        self.scratch = scratch;
    }
}

/// Pointers to all that the threads share.
struct Pieces<'a> {
    net: &'a ParamRnn,
    params: *mut f32,
    grads: *const f32,
    state: *mut f32,
    /// Distance between the arrays of the state.
    stride: usize,
    /// One for every thread.
    scratch: *mut AlignedVec,
    step: Move,
}

// SAFETY: `ParamRnn::run` borrows what the pointers are to, and every thread has other elements and another scratch.
unsafe impl Sync for Pieces<'_> {}

impl Pieces<'_> {
    /// The elements of part `i`.
    fn run(&self, cpu: Cpu, i: usize, elements: Range<usize>) {
        // SAFETY: there is a scratch for every part, and no two threads have the same part.
        let scratch = unsafe { (*self.scratch.add(i)).as_mut_ptr() };
        cpu.run(Piece { all: self, elements, scratch });
    }
}

struct Piece<'a> {
    all: &'a Pieces<'a>,
    elements: Range<usize>,
    scratch: *mut f32,
}

impl Kernel for Piece<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let mut at = self.elements.start;
        while at + VECTORS * S::WIDTH <= self.elements.end {
            self.columns::<S, VECTORS>(s, at, VECTORS * S::WIDTH);
            at += VECTORS * S::WIDTH;
        }
        while at < self.elements.end {
            self.columns::<S, 1>(s, at, (self.elements.end - at).min(S::WIDTH));
            at += S::WIDTH;
        }
    }
}

impl Piece<'_> {
    /// `live` elements from `at`, in `V` registers: all of them, or one that may be partial.
    #[inline(always)]
    fn columns<S: Simd, const V: usize>(&self, s: S, at: usize, live: usize) {
        let Pieces { net, params, grads, step, .. } = *self.all;
        let (x, hidden) = (self.scratch, net.hidden);
        let width = live.min(S::WIDTH);
        // SAFETY: `live` elements remain in every array; `ParamRnn::run` checked the weights' lengths and made the scratch
        // long enough for x̂ and the gates of the widest layer.
        unsafe {
            for v in 0..V {
                let g = load(s, grads.add(at + v * S::WIDTH), width);
                let [first, second] = net.preprocess.of(s, g);
                s.store(x.add(v * S::WIDTH), first);
                s.store(x.add((V + v) * S::WIDTH), second);
            }
            let mut inputs = INPUTS;
            for layer in 0..net.layers.len() {
                self.layer::<S, V>(s, layer, inputs, at, width);
                inputs = hidden;
            }
            for v in 0..V {
                let p = params.add(at + v * S::WIDTH);
                let old = load(s, p, width);
                let units = x.add(v * S::WIDTH);
                let direction = net.output::<S>(s, units, V * S::WIDTH, 0);
                let new = match step {
                    Move::Add { step } => s.fma(s.splat(step), direction, old),
                    Move::Subtract { step, exp_mult } => {
                        let magnitude = net.output::<S>(s, units, V * S::WIDTH, 1);
                        let magnitude = exp(s, s.mul(s.splat(exp_mult), magnitude));
                        s.sub(old, s.mul(s.mul(direction, magnitude), s.splat(step)))
                    }
                };
                store(s, p, new, width);
            }
        }
    }

    /// A layer whose inputs are the first rows of the scratch, where its outputs will be.
    /// # Safety
    /// As in [`Piece::columns`].
    #[inline(always)]
    unsafe fn layer<S: Simd, const V: usize>(
        &self,
        s: S,
        layer: usize,
        inputs: usize,
        at: usize,
        width: usize,
    ) {
        let Pieces { net, state, stride, .. } = *self.all;
        let (hidden, row) = (net.hidden, V * S::WIDTH);
        // SAFETY: the caller's promise.
        unsafe {
            let h_in = self.scratch.add(inputs * row);
            let gates = self.scratch.add((INPUTS.max(hidden) + hidden) * row);
            let h = state.add(layer * net.cell.arrays() * hidden * stride + at);
            for k in 0..hidden {
                for v in 0..V {
                    let x = load(s, h.add(k * stride + v * S::WIDTH), width);
                    s.store(h_in.add(k * row + v * S::WIDTH), x);
                }
            }
            match net.cell {
                Cell::Lstm => {
                    self.gates::<S, V>(s, layer, inputs, 0, 4 * hidden);
                    let c = h.add(hidden * stride);
                    for k in 0..hidden {
                        for v in 0..V {
                            let lane = k * row + v * S::WIDTH;
                            let (h, c) = (h.add(k * stride + v * S::WIDTH), c.add(k * stride + v * S::WIDTH));
                            let i = s.load(gates.add(lane));
                            let g = s.load(gates.add(hidden * row + lane));
                            let f = s.load(gates.add(2 * hidden * row + lane));
                            let o = s.load(gates.add(3 * hidden * row + lane));
                            let keep = sigmoid(s, s.add(f, s.splat(1.0)));
                            let write = s.mul(sigmoid(s, i), tanh(s, g));
                            let cell = s.fma(keep, load(s, c, width), write);
                            store(s, c, cell, width);
                            let out = s.mul(sigmoid(s, o), tanh(s, cell));
                            store(s, h, out, width);
                            s.store(self.scratch.add(lane), out);
                        }
                    }
                }
                Cell::Gru => {
                    self.gates::<S, V>(s, layer, inputs, 0, 2 * hidden);
                    for k in 0..hidden {
                        for v in 0..V {
                            let lane = k * row + v * S::WIDTH;
                            let reset = sigmoid(s, s.load(gates.add(hidden * row + lane)));
                            s.store(h_in.add(lane), s.mul(reset, s.load(h_in.add(lane))));
                        }
                    }
                    self.gates::<S, V>(s, layer, inputs, 2 * hidden, 3 * hidden);
                    for k in 0..hidden {
                        for v in 0..V {
                            let lane = k * row + v * S::WIDTH;
                            let h = h.add(k * stride + v * S::WIDTH);
                            let z = sigmoid(s, s.load(gates.add(lane)));
                            let a = tanh(s, s.load(gates.add(2 * hidden * row + lane)));
                            let keep = s.sub(s.splat(1.0), z);
                            let out = s.fma(keep, load(s, h, width), s.mul(z, a));
                            store(s, h, out, width);
                            s.store(self.scratch.add(lane), out);
                        }
                    }
                }
            }
        }
    }

    /// Columns `from..to` of a layer's gates.
    /// # Safety
    /// As in [`Piece::columns`].
    #[inline(always)]
    unsafe fn gates<S: Simd, const V: usize>(
        &self,
        s: S,
        layer: usize,
        inputs: usize,
        from: usize,
        to: usize,
    ) {
        let mut at = from;
        // SAFETY: the caller's promise.
        unsafe {
            if S::REGISTERS >= 32 {
                while at + 8 <= to {
                    self.gate::<S, 8, V>(s, layer, inputs, at);
                    at += 8;
                }
            }
            while at + 4 <= to {
                self.gate::<S, 4, V>(s, layer, inputs, at);
                at += 4;
            }
            while at < to {
                self.gate::<S, 1, V>(s, layer, inputs, at);
                at += 1;
            }
        }
    }

    /// `R` columns of a layer's gates.
    /// # Safety
    /// As in [`Piece::columns`].
    #[inline(always)]
    unsafe fn gate<S: Simd, const R: usize, const V: usize>(
        &self,
        s: S,
        layer: usize,
        inputs: usize,
        at: usize,
    ) {
        let net = self.all.net;
        let (hidden, row) = (net.hidden, V * S::WIDTH);
        let columns = net.cell.gates() * hidden;
        // SAFETY: the caller's promise.
        unsafe {
            let layer = net.layers.get_unchecked(layer);
            let mut acc = [[s.splat(0.0); V]; R];
            for r in 0..R {
                acc[r] = [s.splat(*layer.b.as_ptr().add(at + r)); V];
            }
            let w = layer.w.as_ptr().add(at);
            tile::<S, Count<0>, R, V>(s, inputs + hidden, w, columns, self.scratch, row, &mut acc);
            let gates = self.scratch.add((INPUTS.max(hidden) + hidden) * row);
            for r in 0..R {
                for v in 0..V {
                    s.store(gates.add((at + r) * row + v * S::WIDTH), acc[r][v]);
                }
            }
        }
    }
}

impl ParamRnn {
    /// Output `o` for a register of hidden units, `row` apart.
    /// # Safety
    /// `x` is readable for a register at every unit.
    #[inline(always)]
    unsafe fn output<S: Simd>(&self, s: S, x: *const f32, row: usize, o: usize) -> S::V {
        let outputs = self.b.len();
        // SAFETY: the caller's promise, and `ParamRnn::run` checked the weights' lengths.
        unsafe {
            let mut y = s.splat(*self.b.get_unchecked(o));
            for k in 0..self.hidden {
                let w = s.splat(*self.w.get_unchecked(k * outputs + o));
                y = s.fma(w, s.load(x.add(k * row)), y);
            }
            y
        }
    }
}
