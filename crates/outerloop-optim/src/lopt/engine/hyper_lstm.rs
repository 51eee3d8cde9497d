//! The LSTM that schedules VeLO, Celo and Celo-Adam (spec: learned_optimizers §2 f).
//!
//! y = x·W₂ + b₂ + max over the rows of relu(x·W₁ + b₁), and an LSTM on y. A row belongs to a tensor; Celo's rows are all
//! the same, so it has one. W₁ is published as `linear_1` and W₂ as `linear_2`; a leaf `linear` is there and never read.

use super::embedding::fraction_embedding;
use super::loss_buffer::{self, LossBuffer};
use super::lstm::{Linear, Lstm};
use crate::optim::{Leaf, LeafInit, Theta, ThetaSpec};
use crate::params::TensorSpec;
use crate::simd::{AlignedVec, Cpu, GemmInit, LANES, MatMut, MatRef, gemm};

/// Features that all tensors share: of time, then of the loss.
pub(in crate::lopt) const SHARED: usize = 9 + loss_buffer::FEATURES;

/// Leaves of theta for so many inputs and units, in the order of the published files; `controls` are those of a bank.
pub(in crate::lopt) fn leaves(
    inputs: usize,
    hidden: usize,
    controls: Option<usize>,
) -> Vec<(TensorSpec, LeafInit)> {
    let mut leaves = vec![];
    for name in ["hidden", "cell"] {
        leaves.push((TensorSpec::new(format!("lstm_init_state/{name}"), [1, hidden]), LeafInit::Zero));
    }
    let mut dense = |name: &str, rows: usize, cols: usize| {
        let init = LeafInit::TruncatedNormal(1.0 / (rows as f64).sqrt());
        leaves.push((TensorSpec::new(format!("rnn_params/{name}/b"), [cols]), LeafInit::Zero));
        leaves.push((TensorSpec::new(format!("rnn_params/{name}/w"), [rows, cols]), init));
    };
    for name in ["linear", "linear_1", "linear_2"] {
        dense(name, inputs, hidden);
    }
    dense("rnn/linear", 2 * hidden, 4 * hidden);
    if let Some(controls) = controls {
        dense("rnn_to_controls", hidden, controls);
    }
    dense("step_size", hidden, 1);
    leaves
}

/// A dense layer in theta.
pub(in crate::lopt) struct Dense {
    w: Leaf,
    b: Leaf,
}

impl Dense {
    /// Layer `rnn_params/name`.
    pub(in crate::lopt) fn new(spec: &ThetaSpec, theta: &Theta, name: &str) -> Self {
        let leaf = |part: &str| spec.share(theta, &format!("rnn_params/{name}/{part}"));
        Self { w: leaf("w"), b: leaf("b") }
    }

    /// y = x·W + b for rows of `x` that are adjacent, to rows of `y` that start `stride` apart.
    pub(in crate::lopt) fn apply(&self, cpu: Cpu, x: &[f32], y: &mut [f32], stride: usize) {
        let n = self.b.len();
        let k = self.w.len() / n;
        for row in y.chunks_mut(stride) {
            row[..n].copy_from_slice(&self.b);
        }
        cpu.run(gemm(
            [x.len() / k, n, k],
            MatRef { data: x, row: k, col: 1 },
            MatRef { data: &self.w, row: n, col: 1 },
            MatMut { data: y, row: stride },
            GemmInit::Keep,
        ));
    }
}

/// The arrays of state, in this order and each padded: hidden and cell, `[rows, hidden]`, and the loss buffer's.
pub(in crate::lopt) fn state_arrays(rows: usize, hidden: usize) -> Vec<TensorSpec> {
    let rows = ["hidden", "cell"].map(|name| TensorSpec::new(name, [rows * hidden]));
    let losses = loss_buffer::ARRAYS.map(|name| TensorSpec::new(name, [loss_buffer::ARRAY_LEN]));
    rows.into_iter().chain(losses).collect()
}

/// The LSTM bound to theta, with its scratch.
pub(in crate::lopt) struct HyperLstm {
    rows: usize,
    hidden: usize,
    initial: [Leaf; 2],
    mix: Dense,
    input: Dense,
    step_size: Dense,
    lstm: Lstm,
    /// `[rows, inputs]`, to be written before a step.
    pub(in crate::lopt) x: AlignedVec,
    mixed: AlignedVec,
    /// Largest of every column of `mixed`.
    largest: Vec<f32>,
    /// Hidden and cell after the step, `[rows, hidden]`.
    after: [AlignedVec; 2],
}

impl HyperLstm {
    /// For so many rows; `spec` has the leaves of [`leaves`].
    pub(in crate::lopt) fn new(spec: &ThetaSpec, theta: &Theta, rows: usize) -> Self {
        let dense = |name: &str| Dense::new(spec, theta, name);
        let [w, b] = ["w", "b"].map(|part| spec.share(theta, &format!("rnn_params/rnn/linear/{part}")));
        let (mix, hidden) = (dense("linear_1"), b.len() / 4);
        let inputs = mix.w.len() / hidden;
        let zeros = |cols: usize| AlignedVec::zeros(rows * cols);
        Self {
            rows,
            hidden,
            initial: ["hidden", "cell"].map(|name| spec.share(theta, &format!("lstm_init_state/{name}"))),
            mix,
            input: dense("linear_2"),
            step_size: dense("step_size"),
            lstm: Lstm::new(rows, hidden, hidden, w, b),
            x: zeros(inputs),
            mixed: zeros(hidden),
            largest: vec![0.0; hidden],
            after: [zeros(hidden), zeros(hidden)],
        }
    }

    /// Hidden, cell and the loss buffer out of the arrays of [`state_arrays`].
    fn split<'a>(&self, state: &'a mut [f32]) -> ([&'a mut [f32]; 2], LossBuffer<'a>) {
        let len = self.rows * self.hidden;
        let (hidden, rest) = state.split_at_mut(len.next_multiple_of(LANES));
        let (cell, losses) = rest.split_at_mut(hidden.len());
        ([&mut hidden[..len], &mut cell[..len]], LossBuffer::new(losses))
    }

    /// Writes the first state; the loss's longest half-life is `longest` steps.
    pub(in crate::lopt) fn init(&self, state: &mut [f32], longest: f64) {
        let (arrays, losses) = self.split(state);
        for (array, initial) in arrays.into_iter().zip(&self.initial) {
            array.chunks_exact_mut(self.hidden).for_each(|row| row.copy_from_slice(initial));
        }
        losses.init(longest);
    }

    /// Feeds the loss of update `iteration`, counted from 0, and writes the features that all tensors share.
    pub(in crate::lopt) fn observe(&mut self, state: &mut [f32], iteration: u64, num_steps: u64, loss: f32) {
        let losses = self.split(state).1.feed(iteration, loss);
        let time = fraction_embedding(iteration, num_steps);
        let inputs = self.x.len() / self.rows;
        for row in self.x.chunks_exact_mut(inputs) {
            row[..time.len()].copy_from_slice(&time);
            row[time.len()..SHARED].copy_from_slice(&losses);
        }
    }

    /// The features of one tensor's own.
    pub(in crate::lopt) fn own_features(&mut self, row: usize) -> &mut [f32] {
        let inputs = self.x.len() / self.rows;
        &mut self.x[row * inputs + SHARED..(row + 1) * inputs]
    }

    /// One step of all rows. The state becomes theirs, unless it `is_kept`.
    pub(in crate::lopt) fn step(&mut self, cpu: Cpu, state: &mut [f32], is_kept: bool) {
        let size = self.hidden;
        self.mix.apply(cpu, &self.x, &mut self.mixed, size);
        self.largest.fill(0.0);
        for row in self.mixed.chunks_exact(size) {
            // The lower bound of 0 is the ReLU.
            for (max, &x) in self.largest.iter_mut().zip(row) {
                *max = if x > *max || x.is_nan() { x } else { *max };
            }
        }
        let y = &mut self.lstm.x;
        self.input.apply(cpu, &self.x, y, 2 * size);
        for row in y.chunks_exact_mut(2 * size) {
            row.iter_mut().zip(&self.largest).for_each(|(y, max)| *y += max);
        }
        let ([hidden, cell], _) = self.split(state);
        let [next_hidden, next_cell] = &mut self.after;
        next_hidden.copy_from_slice(hidden);
        next_cell.copy_from_slice(cell);
        self.lstm.step(cpu, next_hidden, next_cell);
        if !is_kept {
            hidden.copy_from_slice(next_hidden);
            cell.copy_from_slice(next_cell);
        }
    }

    /// What the step gave, `[rows, hidden]`.
    pub(in crate::lopt) fn outputs(&self) -> &[f32] {
        &self.after[0]
    }

    /// A row's step size, as the layer gives it.
    pub(in crate::lopt) fn step_size(&self, cpu: Cpu, row: usize) -> f32 {
        let (x, mut y) = (&self.outputs()[row * self.hidden..][..self.hidden], [0.0]);
        cpu.run(Linear { x, w: &self.step_size.w, b: &self.step_size.b, y: &mut y });
        y[0]
    }
}
