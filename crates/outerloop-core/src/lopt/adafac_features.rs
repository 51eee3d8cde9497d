//! Per-parameter features of `adafac_mlp`: a first pass that updates the accumulators and measures every channel's
//! mean square, and a second that writes a block's channels for the network.

use super::STRIDE;
use super::factored::{DECAYS, FEATURE_FLOOR, ROOT_FLOOR, Side};
use super::runs::{Factoring, Run};
use crate::simd::{Kernel, LANES, LaneSum, Simd, rsqrt, totals};

/// Channels that differ from element to element in a factored tensor.
pub(super) const CHANNELS: usize = 16;
/// Those of a tensor that is not factored: also its accumulators and their reciprocal roots.
pub(super) const CHANNELS_DIAGONAL: usize = CHANNELS + 2 * DECAYS;

/// Added inside the reciprocal root of the second moment.
const SECOND_MOMENT_FLOOR: f32 = 1e-6;
/// Added inside the reciprocal root that scales the momenta of a tensor that is not factored.
const DIAGONAL_FLOOR: f32 = 1e-6;
/// Added to every squared gradient.
const SQUARE_FLOOR: f32 = 1e-30;
/// Added to a tensor's accumulator inside its factor.
const DIAGONAL_ROOT_FLOOR: f32 = 1e-9;

/// Arrays of one tensor, each padded.
pub(super) struct TensorArrays<'a> {
    pub(super) params: &'a mut [f32],
    pub(super) grads: &'a [f32],
    pub(super) momenta: [&'a mut [f32]; DECAYS],
    pub(super) square: &'a mut [f32],
    /// Accumulators of a tensor that is not factored; else empty.
    pub(super) diagonal: [&'a mut [f32]; DECAYS],
}

/// Decays and their complements.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decays {
    pub(super) momentum: [[f32; 2]; DECAYS],
    pub(super) square: [f32; 2],
    pub(super) factored: [[f32; 2]; DECAYS],
}

/// Where a tensor's factors R and C come from.
#[derive(Clone, Copy)]
pub(super) struct Factors<'a> {
    pub(super) factoring: &'a Factoring,
    pub(super) row: &'a Side,
    pub(super) col: &'a Side,
}

impl Factors<'_> {
    /// R·C of every decay for the elements `at..at + n` of `run`.
    #[inline(always)]
    fn load<S: Simd>(&self, s: S, run: &Run, at: usize, n: usize) -> [S::V; DECAYS] {
        let mut out = [s.splat(0.0); DECAYS];
        for k in 0..DECAYS {
            let row = side_value(s, &self.row.factor[k], self.factoring.is_row_constant, run.row, at, n);
            let col = side_value(s, &self.col.factor[k], self.factoring.is_col_constant, run.col, at, n);
            out[k] = s.mul(row, col);
        }
        out
    }
}

/// A side's value for the elements `at..at + n` of a run that starts at `place`.
#[inline(always)]
pub(super) fn side_value<S: Simd>(
    s: S,
    values: &[f32],
    is_constant: bool,
    place: usize,
    at: usize,
    n: usize,
) -> S::V {
    if is_constant {
        s.splat(values[place])
    } else {
        // SAFETY: the slice is `n` long.
        unsafe { s.load_first(values[place + at..][..n].as_ptr(), n) }
    }
}

/// The sixteen channels, in the order of theta's first rows: g, p, m, v, m·s, s, g·f, then m·h.
#[inline(always)]
fn channels<S: Simd>(
    s: S,
    [g, p, v]: [S::V; 3],
    m: [S::V; DECAYS],
    f: [S::V; DECAYS],
    h: [S::V; DECAYS],
) -> [S::V; CHANNELS] {
    let scale = rsqrt(s, s.add(v, s.splat(SECOND_MOMENT_FLOOR)));
    let [m0, m1, m2] = m;

    [
        g,
        p,
        m0,
        m1,
        m2,
        v,
        s.mul(m0, scale),
        s.mul(m1, scale),
        s.mul(m2, scale),
        scale,
        s.mul(g, f[0]),
        s.mul(g, f[1]),
        s.mul(g, f[2]),
        s.mul(m0, h[0]),
        s.mul(m1, h[1]),
        s.mul(m2, h[2]),
    ]
}

/// (f, h, rsqrt(q + 1e-8)) from the accumulators of a tensor that is not factored.
#[inline(always)]
fn diagonal_factors<S: Simd>(s: S, q: [S::V; DECAYS]) -> [[S::V; DECAYS]; 3] {
    let mut out = [q; 3];
    for k in 0..DECAYS {
        out[0][k] = rsqrt(s, s.max(s.splat(ROOT_FLOOR), s.add(q[k], s.splat(DIAGONAL_ROOT_FLOOR))));
        out[1][k] = rsqrt(s, s.add(q[k], s.splat(DIAGONAL_FLOOR)));
        out[2][k] = rsqrt(s, s.add(q[k], s.splat(FEATURE_FLOOR)));
    }
    out
}

/// The elements of a slice no longer than a register; the other lanes are zero.
#[inline(always)]
fn load_live<S: Simd>(s: S, values: &[f32]) -> S::V {
    // SAFETY: reads the slice alone.
    unsafe { s.load_first(values.as_ptr(), values.len()) }
}

/// `values` ← β·`values` + (1−β)·`new`, for a slice no longer than a register.
#[inline(always)]
fn blend<S: Simd>(s: S, [beta, complement]: [f32; 2], values: &mut [f32], new: S::V) -> S::V {
    let x = s.fma(s.splat(beta), load_live(s, values), s.mul(s.splat(complement), new));
    // SAFETY: writes the slice alone.
    unsafe { s.store_first(values.as_mut_ptr(), x, values.len()) };
    x
}

#[inline(always)]
fn add_square<S: Simd>(s: S, sum: &mut LaneSum<S>, half: usize, live: S::M, x: S::V) {
    let x = s.select(live, x, s.splat(0.0));
    sum.fma(s, half, x, x);
}

/// First pass: accumulators in place; returns the sum of squares of every channel.
pub(super) struct Accumulate<'a, 'b> {
    pub(super) arrays: &'a mut TensorArrays<'b>,
    pub(super) runs: &'a [Run],
    pub(super) factors: Option<Factors<'a>>,
    pub(super) decays: Decays,
}

impl Kernel for Accumulate<'_, '_> {
    type Output = [f32; CHANNELS_DIAGONAL];

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Self::Output {
        let Self { arrays, runs, factors, decays } = self;
        let mut sums = [LaneSum::zero(s); CHANNELS_DIAGONAL];

        for run in runs {
            for j in (0..run.len).step_by(LANES) {
                for half in 0..LANES / S::WIDTH {
                    let at = j + half * S::WIDTH;
                    if at >= run.len {
                        break;
                    }
                    let n = (run.len - at).min(S::WIDTH);
                    let e = run.start + at;
                    // SAFETY: elements `e..e + n` are inside every array of the tensor.
                    unsafe {
                        let g = s.load_first(arrays.grads[e..][..n].as_ptr(), n);
                        let p = s.load_first(arrays.params[e..][..n].as_ptr(), n);
                        let mut m = [g; DECAYS];
                        for k in 0..DECAYS {
                            m[k] = blend(s, decays.momentum[k], &mut arrays.momenta[k][e..][..n], g);
                        }
                        let square = s.mul(g, g);
                        let v = blend(s, decays.square, &mut arrays.square[e..][..n], square);
                        let live = s.first(n);
                        if let Some(factors) = &factors {
                            let f = factors.load(s, run, at, n);
                            let values = channels(s, [g, p, v], m, f, f);
                            for c in 0..CHANNELS {
                                add_square(s, &mut sums[c], half, live, values[c]);
                            }
                        } else {
                            let new = s.add(square, s.splat(SQUARE_FLOOR));
                            let mut q = [new; DECAYS];
                            for k in 0..DECAYS {
                                q[k] = blend(s, decays.factored[k], &mut arrays.diagonal[k][e..][..n], new);
                            }
                            let [f, h, root] = diagonal_factors(s, q);
                            let values = channels(s, [g, p, v], m, f, h);
                            for c in 0..CHANNELS {
                                add_square(s, &mut sums[c], half, live, values[c]);
                            }
                            for k in 0..DECAYS {
                                add_square(s, &mut sums[CHANNELS + k], half, live, q[k]);
                                add_square(s, &mut sums[CHANNELS + DECAYS + k], half, live, root[k]);
                            }
                        }
                    }
                }
            }
        }
        totals(s, &sums, CHANNELS_DIAGONAL)
    }
}

/// Second pass over one block: channels into `features` and every hidden unit's start into `start`, rows [`STRIDE`] apart.
pub(super) struct FillBlock<'a, 'b> {
    pub(super) arrays: &'a TensorArrays<'b>,
    pub(super) runs: &'a [Run],
    pub(super) factors: Option<Factors<'a>>,
    /// Bias of every hidden unit, time features folded in.
    pub(super) bias: &'a [f32],
    /// What rows and columns add, `[hidden, side_stride]` each; unused where not factored.
    pub(super) sides: [&'a [f32]; 2],
    pub(super) side_stride: usize,
    pub(super) features: &'a mut [f32],
    pub(super) start: &'a mut [f32],
}

impl Kernel for FillBlock<'_, '_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { arrays, runs, factors, bias, sides, side_stride, features, start } = self;
        let first = runs[0].start;
        assert!(start.len() >= bias.len() * STRIDE);
        assert!(features.len() >= STRIDE * if factors.is_some() { CHANNELS } else { CHANNELS_DIAGONAL });
        for run in runs {
            for at in (0..run.len).step_by(S::WIDTH) {
                let n = (run.len - at).min(S::WIDTH);
                let e = run.start + at;
                let column = e - first;
                assert!(column + S::WIDTH <= STRIDE);
                // SAFETY: elements `e..e + n` are inside every array; a row of the block has room for a register at
                // `column`, and what it writes past the run is overwritten by the next run or never read.
                unsafe {
                    let g = load_live(s, &arrays.grads[e..][..n]);
                    let p = load_live(s, &arrays.params[e..][..n]);
                    let v = load_live(s, &arrays.square[e..][..n]);
                    let mut m = [g; DECAYS];
                    for k in 0..DECAYS {
                        m[k] = load_live(s, &arrays.momenta[k][e..][..n]);
                    }
                    let out = features.as_mut_ptr().add(column);
                    let begin = start.as_mut_ptr().add(column);
                    if let Some(factors) = &factors {
                        let f = factors.load(s, run, at, n);
                        let values = channels(s, [g, p, v], m, f, f);
                        for c in 0..CHANNELS {
                            s.store(out.add(c * STRIDE), values[c]);
                        }
                        let is_constant =
                            [factors.factoring.is_row_constant, factors.factoring.is_col_constant];
                        for (h, &b) in bias.iter().enumerate() {
                            let row = &sides[0][h * side_stride..][..side_stride];
                            let col = &sides[1][h * side_stride..][..side_stride];
                            let row = side_value(s, row, is_constant[0], run.row, at, n);
                            let col = side_value(s, col, is_constant[1], run.col, at, n);
                            s.store(begin.add(h * STRIDE), s.add(s.splat(b), s.add(row, col)));
                        }
                    } else {
                        let mut q = [g; DECAYS];
                        for k in 0..DECAYS {
                            q[k] = load_live(s, &arrays.diagonal[k][e..][..n]);
                        }
                        let [f, h, root] = diagonal_factors(s, q);
                        let values = channels(s, [g, p, v], m, f, h);
                        for c in 0..CHANNELS {
                            s.store(out.add(c * STRIDE), values[c]);
                        }
                        for k in 0..DECAYS {
                            s.store(out.add((CHANNELS + k) * STRIDE), q[k]);
                            s.store(out.add((CHANNELS + DECAYS + k) * STRIDE), root[k]);
                        }
                        for (h, &b) in bias.iter().enumerate() {
                            s.store(begin.add(h * STRIDE), s.splat(b));
                        }
                    }
                }
            }
        }
    }
}
