//! NN-Adam at work: the elementwise rule with a tensor's constants, its statistics, and the LSTM that moves the constants.

use super::config::{CONTROLS, INPUTS, NnAdam};
use crate::lopt::engine::hierarchical_features::{deviation, share, shares};
use crate::lopt::engine::lstm::{Linear, Lstm};
use crate::lopt::hierarchical::{clipped_log, sign};
use crate::optim::elementwise::{Elementwise, MAX_ARRAYS, Sweep};
use crate::optim::rounding::{exp, ln};
use crate::optim::{StateMut, Step, Theta, Update};
use crate::params::ParamLayout;
use crate::simd::{Kernel, LANES, LaneSum, Simd, Workers};
use crate::tensor::clip;
use std::ops::Range;

/// Gradients are clipped to ± this.
const GRADIENT_BOUND: f32 = 1000.0;
/// Added to the mean square under the root.
const ROOT_FLOOR: f32 = 1e-10;

/// One tensor: its place among the parameters, and what its LSTM sees of its shape.
struct TensorPlan {
    range: Range<usize>,
    len: usize,
    is_bias: f32,
    is_scalar: f32,
}

/// NN-Adam bound to theta and shapes.
pub(super) struct Bound {
    tensors: Vec<TensorPlan>,
    /// Length of an array over all parameters.
    padded: usize,
    /// Where the arrays over the tensors start in the state: constants, then hidden and cell.
    arrays: [usize; CONTROLS.len() + 2],
    lstm: Lstm,
    to_controls: [Vec<f32>; 2],
    /// First constants, hidden and cell.
    initial: [Vec<f32>; CONTROLS.len() + 2],
    hidden: usize,
    output_scale: f32,
    decay_strength: f32,
}

impl Bound {
    /// Packs `theta`, whose length was checked.
    pub(super) fn new(optimizer: &NnAdam, theta: &Theta, params: &ParamLayout) -> Self {
        let leaf = |name: &str| optimizer.theta.leaf(theta, name).to_vec();
        let (rows, hidden) = (params.num_tensors(), optimizer.config.lstm_hidden);
        let flag = |is: bool| if is { 1.0 } else { -1.0 };
        let tensor = |(i, spec): (usize, &crate::params::TensorSpec)| TensorPlan {
            range: params.padded_range(i),
            len: spec.len(),
            is_bias: flag(spec.shape.len() == 1),
            is_scalar: flag(spec.shape.is_empty()),
        };
        let lstm = |x: &str| optimizer.theta.share(theta, &format!("rnn_params/rnn/linear/{x}"));
        let mut at = 2 * params.padded_len();
        let arrays = std::array::from_fn(|i| {
            let start = at;
            let len = if i < CONTROLS.len() { rows } else { rows * hidden };
            at += len.next_multiple_of(LANES);
            start
        });
        let [lr, beta1, beta2, eps] = CONTROLS;
        Self {
            tensors: params.specs().iter().enumerate().map(tensor).collect(),
            padded: params.padded_len(),
            arrays,
            lstm: Lstm::new(rows, INPUTS, hidden, lstm("w"), lstm("b")),
            to_controls: ["w", "b"].map(|x| leaf(&format!("rnn_to_controls_params/rnn_to_controls/{x}"))),
            initial: [lr, beta1, beta2, eps, "lstm_init_state/hidden", "lstm_init_state/cell"].map(leaf),
            hidden,
            output_scale: optimizer.config.output_scale as f32,
            decay_strength: optimizer.config.decay_strength as f32,
        }
    }

    /// The constants of a tensor after the LSTM added `deltas`, as far as their ranges allow.
    fn moved(
        &self,
        deltas: [f32; CONTROLS.len()],
        constants: [f32; CONTROLS.len()],
    ) -> [f32; CONTROLS.len()] {
        let mut out = constants;
        for (i, x) in out.iter_mut().enumerate() {
            *x += deltas[i] * self.output_scale;
            *x -= self.decay_strength * (*x - self.initial[i][0]);
        }
        let [lr, beta1, beta2, eps] = out;
        [
            tenth_log(lr_of(lr)),
            tenth_log(1.0 - beta_of(beta1)),
            tenth_log(1.0 - beta_of(beta2)),
            tenth_log(eps_of(eps)),
        ]
    }
}

/// A tenth of the logarithm, as all constants are kept.
fn tenth_log(x: f32) -> f32 {
    0.1 * ln(x)
}

fn lr_of(x: f32) -> f32 {
    exp(10.0 * x).clamp(1e-8, 1e3)
}

fn eps_of(x: f32) -> f32 {
    exp(10.0 * x).clamp(1e-11, 1e4)
}

/// At most 1 − e⁻¹⁰.
fn beta_of(x: f32) -> f32 {
    1.0 - exp((10.0 * x).clamp(-10.0, 0.0))
}

impl Update for Bound {
    fn init(&mut self, _: &[f32], state: StateMut<'_>) {
        let rows = self.tensors.len();
        for (&start, initial) in self.arrays.iter().zip(&self.initial) {
            let len = rows * initial.len();
            for row in state.data[start..start + len].chunks_exact_mut(initial.len()) {
                row.copy_from_slice(initial);
            }
        }
    }

    fn step(&mut self, step: Step<'_>) {
        let Step { workers, state, mut params, mut grads, scale, .. } = step;
        let (cpu, padded) = (workers.cpu(), self.padded);
        let (moments, rest) = state.data.split_at_mut(self.arrays[0]);
        let at = self.arrays.map(|start| start - self.arrays[0]);
        for (i, t) in self.tensors.iter().enumerate() {
            let constants: [f32; CONTROLS.len()] = std::array::from_fn(|k| rest[at[k] + i]);
            let [lr, beta1, beta2, eps] = constants;
            let (params, grads) = (params.get(i, &t.range), grads.get(i, &t.range));
            clip(workers, grads, GRADIENT_BOUND);
            let g = Statistics::of(workers, grads, t.len);
            let p = Statistics::of(workers, params, t.len);
            let beta = [beta1, beta2].map(beta_of);
            let kernel = Steered { beta, complement: beta.map(|b| 1.0 - b), eps: eps_of(eps) };
            let rate = lr_of(lr) * scale.of(i);
            Sweep::new(kernel, params, grads, &mut moments[t.range.start..], padded).run(workers, rate);
            let m = Statistics::of(workers, &moments[t.range.clone()], t.len);
            let v = Statistics::of(workers, &moments[padded..][t.range.clone()], t.len);
            let bounded = |x: f32| 0.2 * x.clamp(-5.0, 5.0);
            let size = |x: f32| 0.5 * clipped_log(x);
            // In the order of the published names.
            self.lstm.input(i).copy_from_slice(&[
                bounded(beta1),
                bounded(beta2),
                bounded(eps),
                t.is_bias,
                t.is_scalar,
                bounded(lr),
                size(g.mean),
                sign(g.mean),
                size(g.mean_size),
                size(m.mean),
                sign(m.mean),
                size(p.mean),
                sign(p.mean),
                size(v.mean),
                sign(v.mean),
                size(g.variance),
                size(m.variance),
                size(p.variance),
                size(v.variance),
            ]);
        }
        let (before, cell) = rest.split_at_mut(at[CONTROLS.len() + 1]);
        let (constants, hidden) = before.split_at_mut(at[CONTROLS.len()]);
        let len = self.tensors.len() * self.hidden;
        self.lstm.step(cpu, &mut hidden[..len], &mut cell[..len]);
        let [w, b] = &self.to_controls;
        for (i, hidden) in hidden[..len].chunks_exact(self.hidden).enumerate() {
            let mut deltas = [0.0; CONTROLS.len()];
            cpu.run(Linear { x: hidden, w, b, y: &mut deltas });
            let moved = self.moved(deltas, std::array::from_fn(|k| constants[at[k] + i]));
            for k in 0..CONTROLS.len() {
                constants[at[k] + i] = moved[k];
            }
        }
        *state.iteration += 1;
    }
}

/// Both moments, and (1+ε)/(ε + √(v + 1e-10))·m.
#[derive(Clone, Copy)]
struct Steered {
    beta: [f32; 2],
    /// 1 − β.
    complement: [f32; 2],
    eps: f32,
}

impl Elementwise for Steered {
    const ARRAYS: usize = 2;

    #[inline(always)]
    fn direction<S: Simd>(self, s: S, _: S::V, g: S::V, state: &mut [S::V; MAX_ARRAYS]) -> S::V {
        let [b1, b2] = [s.splat(self.beta[0]), s.splat(self.beta[1])];
        let [a1, a2] = [s.splat(self.complement[0]), s.splat(self.complement[1])];
        let mean = s.fma(b1, state[0], s.mul(a1, g));
        let square = s.fma(b2, state[1], s.mul(a2, s.mul(g, g)));
        state[0] = mean;
        state[1] = square;
        let root = s.add(s.sqrt(s.add(square, s.splat(ROOT_FLOOR))), s.splat(self.eps));
        s.mul(s.div(s.splat(1.0 + self.eps), root), mean)
    }
}

/// What the LSTM sees of an array.
struct Statistics {
    mean: f32,
    /// Mean of the absolute values.
    mean_size: f32,
    variance: f32,
}

impl Statistics {
    /// Of the first `len` elements of an array whose others are 0.
    fn of(workers: Workers<'_>, values: &[f32], len: usize) -> Self {
        let n = len as f32;
        let [mean, mean_size] = sums(workers, values, len).map(|sum| sum / n);
        let variance = deviation(workers, values, 1, len, mean) / n;
        Self { mean, mean_size, variance }
    }
}

/// Sum of an array, and of its absolute values: for long ones the sums of blocks, in order.
fn sums(workers: Workers<'_>, values: &[f32], len: usize) -> [f32; 2] {
    let cpu = workers.cpu();
    let block = |i: usize| {
        let Range { start, end } = share(len, i);
        cpu.run(Sums(&values[start..end.next_multiple_of(LANES)]))
    };
    let count = shares(len);
    if count == 1 {
        return block(0);
    }
    let mut blocks = vec![[0.0; 2]; count];
    workers.fill(&mut blocks, block);
    [0, 1].map(|k| blocks.iter().map(|b| f64::from(b[k])).sum::<f64>() as f32)
}

/// Sum of an array, and of its absolute values.
struct Sums<'a>(&'a [f32]);

impl Kernel for Sums<'_> {
    type Output = [f32; 2];

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> [f32; 2] {
        let mut sums = [LaneSum::zero(s); 2];
        for group in self.0.chunks_exact(LANES) {
            for half in 0..LANES / S::WIDTH {
                // SAFETY: `half * WIDTH + WIDTH <= LANES`.
                let x = unsafe { s.load(group.as_ptr().add(half * S::WIDTH)) };
                sums[0].add(s, half, x);
                sums[1].add(s, half, s.abs(x));
            }
        }
        [sums[0].total(s), sums[1].total(s)]
    }
}
