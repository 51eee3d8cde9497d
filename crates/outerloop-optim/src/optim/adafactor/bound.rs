//! Adafactor at work: one step over all tensors of a lane.

use super::config::Adafactor;
use crate::optim::elementwise::{Directions, Elementwise, MAX_ARRAYS, Sweep};
use crate::optim::mean_decay::MeanDecay;
use crate::optim::rounding::pow;
use crate::optim::squares::Squares;
use crate::optim::tensorwise::Decayed;
use crate::optim::{StateMut, Step, Update};
use crate::params::{ALIGN, ParamLayout};
use crate::simd::{AlignedVec, Kernel, Simd, Workers};
use crate::tensor::{Factoring, Run, blocks_of, runs_of, sum_squares};
use std::ops::Range;

/// Smallest root mean square of parameters that a step is relative to.
const MIN_SCALE: f32 = 1e-3;
/// Shares of the newest gradient, reached after some 30 million updates, that are not taken from 1 − β.
const SMALL_SHARE: f32 = 1e-6;
/// The share falls no further than this, reached after some 6 billion updates: times the smallest `eps` it is still no 0.
const MIN_SHARE: f32 = 1.0 / (1u64 << 26) as f32;

struct Tensor {
    len: usize,
    params: Range<usize>,
    /// Its arrays of state, one after the other.
    state: Range<usize>,
    runs: Vec<Run>,
    /// Runs that threads take at a time.
    blocks: Vec<Range<usize>>,
    factoring: Option<Factoring>,
}

/// Adafactor bound to shapes.
pub(super) struct Bound {
    config: Adafactor,
    tensors: Vec<Tensor>,
    squares: Squares,
    /// Sums over rows and over columns, then their factors 1/√.
    sides: [AlignedVec; 2],
}

impl Bound {
    pub(super) fn new(config: Adafactor, params: &ParamLayout) -> Self {
        let (mut at, mut longest) = (0, [0, 0]);
        let tensors = params.specs().iter().enumerate().map(|(i, spec)| {
            let (mut runs, mut factoring) = runs_of(&spec.shape);
            let range = params.padded_range(i);
            if !config.is_factored(&spec.shape) {
                (runs, factoring) = (vec![], None);
            }
            let own = factoring.as_ref().map_or(range.len(), |f| {
                let lens = [f.row_len, f.col_len].map(|n| n.next_multiple_of(ALIGN));
                longest = [longest[0].max(lens[0]), longest[1].max(lens[1])];
                lens.iter().sum()
            });
            let start = at;
            at += own + if config.momentum.is_some() { range.len() } else { 0 };
            let blocks = blocks_of(&runs, 0..runs.len());
            Tensor { len: spec.len(), params: range, state: start..at, runs, blocks, factoring }
        });
        let tensors = tensors.collect();
        Self { config, tensors, squares: Squares::of(params), sides: longest.map(AlignedVec::zeros) }
    }
}

impl Update for Bound {
    fn init(&mut self, _: &[f32], _: StateMut<'_>) {}

    fn step(&mut self, step: Step<'_>) {
        let Step { workers, state, mut params, mut grads, scale, .. } = step;
        *state.iteration += 1;
        let share = pow(*state.iteration as f32, -(self.config.decay_rate as f32)).max(MIN_SHARE);
        let beta = 1.0 - share;
        // As published, unless little or nothing of the share is left in what f32 has of 1 − β.
        let complement = if share < SMALL_SHARE { share } else { 1.0 - beta };
        let moment = SecondMoment { beta, complement, eps: self.config.eps as f32 };
        for (i, tensor) in self.tensors.iter().enumerate() {
            let (p, u) = (params.get(i, &tensor.params), grads.get(i, &tensor.params));
            let state = &mut state.data[tensor.state.clone()];
            let ema = if let Some(f) = &tensor.factoring {
                let (row, rest) = state.split_at_mut(f.row_len.next_multiple_of(ALIGN));
                let (col, ema) = rest.split_at_mut(f.col_len.next_multiple_of(ALIGN));
                let runs = (&tensor.runs[..], &tensor.blocks[..]);
                factored(workers, moment, f, runs, u, [row, col], &mut self.sides);
                ema
            } else {
                let (v, ema) = state.split_at_mut(p.len());
                Directions::new(moment, p, u, v, 0).run(workers);
                ema
            };
            let rms = |x: &[f32]| root_mean(self.squares.sum(workers, x), tensor.len);
            let mut factor = self.config.lr as f32;
            if let Some(threshold) = self.config.clipping_threshold {
                let excess = rms(u) / threshold as f32;
                factor /= if excess <= 1.0 { 1.0 } else { excess };
            }
            if self.config.multiply_by_parameter_scale {
                let rms = rms(p);
                factor *= if rms <= MIN_SCALE { MIN_SCALE } else { rms };
            }
            let (decay, rate) = (self.config.weight_decay as f32, scale.of(i));
            match self.config.momentum {
                None => Sweep::new(Decayed { factor, decay }, p, u, ema, 0).run(workers, rate),
                Some(beta) => {
                    let mean = MeanDecay::new(beta);
                    let kernel = Ema { beta: mean.beta(), factor: mean.complement() * factor, decay };
                    Sweep::new(kernel, p, u, ema, 0).run(workers, rate);
                }
            }
        }
    }
}

/// The root of a mean of squares: as f32 has it where it holds their sum.
fn root_mean(sum: f64, len: usize) -> f32 {
    let in_f32 = sum as f32;
    if in_f32.is_finite() { (in_f32 / len as f32).sqrt() } else { (sum / len as f64).sqrt() as f32 }
}

/// v ← β·v + (1 − β)·(g² + eps); g/√v.
#[derive(Clone, Copy)]
struct SecondMoment {
    beta: f32,
    complement: f32,
    eps: f32,
}

impl Elementwise for SecondMoment {
    const ARRAYS: usize = 1;

    #[inline(always)]
    fn direction<S: Simd>(self, s: S, _: S::V, g: S::V, state: &mut [S::V; MAX_ARRAYS]) -> S::V {
        let square = s.fma(g, g, s.splat(self.eps));
        state[0] = s.fma(s.splat(self.beta), state[0], s.mul(s.splat(self.complement), square));
        s.div(g, s.sqrt(state[0]))
    }
}

/// m ← β·m + factor·u; m + decay·p.
#[derive(Clone, Copy)]
struct Ema {
    beta: f32,
    factor: f32,
    decay: f32,
}

impl Elementwise for Ema {
    const ARRAYS: usize = 1;

    #[inline(always)]
    fn direction<S: Simd>(self, s: S, p: S::V, u: S::V, state: &mut [S::V; MAX_ARRAYS]) -> S::V {
        state[0] = s.fma(s.splat(self.beta), state[0], s.mul(s.splat(self.factor), u));
        s.fma(s.splat(self.decay), p, state[0])
    }
}

/// Updates the means `[row, col]` and makes the direction of the gradients in `u`.
fn factored(
    workers: Workers<'_>,
    moment: SecondMoment,
    f: &Factoring,
    (runs, blocks): (&[Run], &[Range<usize>]),
    u: &mut [f32],
    means: [&mut [f32]; 2],
    sides: &mut [AlignedVec; 2],
) {
    let [row, col] = sides;
    let row = &mut row[..f.row_len.next_multiple_of(ALIGN)];
    let col = &mut col[..f.col_len.next_multiple_of(ALIGN)];
    sum_squares(workers, u, (runs, blocks), f, None, [&mut *row, &mut *col]);
    let lens = [(f.row_len, f.row_count), (f.col_len, f.col_count)];
    let [r, c] = means;
    for ((mean, side), (len, count)) in [(&mut *r, &*row), (&mut *c, &*col)].into_iter().zip(lens) {
        for (mean, sum) in mean[..len].iter_mut().zip(&side[..len]) {
            let square = sum / count as f32 + moment.eps;
            *mean = moment.beta * *mean + moment.complement * square;
        }
    }
    let [outer, middle, inner] = f.row_mean;
    for o in 0..outer {
        for i in 0..inner {
            let at = |m: usize| (o * middle + m) * inner + i;
            let sum: f64 = (0..middle).map(|m| f64::from(r[at(m)])).sum();
            let mean = (sum / middle as f64) as f32;
            for m in 0..middle {
                row[at(m)] = 1.0 / (r[at(m)] / mean).sqrt();
            }
        }
    }
    for (factor, c) in col[..f.col_len].iter_mut().zip(&c[..f.col_len]) {
        *factor = 1.0 / c.sqrt();
    }
    workers.cpu().run(Precondition { u, runs, factoring: f, row, col });
}

/// u ← u·R·C.
struct Precondition<'a> {
    u: &'a mut [f32],
    runs: &'a [Run],
    factoring: &'a Factoring,
    row: &'a [f32],
    col: &'a [f32],
}

impl Kernel for Precondition<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { u, runs, factoring, row, col } = self;
        for run in runs {
            let line = &mut u[run.start..][..run.len];
            let row = &row[run.row..][..if factoring.is_row_constant { 1 } else { run.len }];
            let col = &col[run.col..][..if factoring.is_col_constant { 1 } else { run.len }];
            let mut at = 0;
            while at < line.len() {
                let n = (line.len() - at).min(S::WIDTH);
                // SAFETY: `n` elements remain in the line, and in a side that is not constant along it.
                unsafe {
                    let r = if factoring.is_row_constant {
                        s.splat(row[0])
                    } else {
                        s.load_first(row.as_ptr().add(at), n)
                    };
                    let c = if factoring.is_col_constant {
                        s.splat(col[0])
                    } else {
                        s.load_first(col.as_ptr().add(at), n)
                    };
                    let place = line.as_mut_ptr().add(at);
                    let x = s.mul(s.mul(s.load_first(place, n), r), c);
                    s.store_first(place, x, n);
                }
                at += S::WIDTH;
            }
        }
    }
}
