//! Factored second moments in the manner of Adafactor (spec: learned_optimizers §1.3).

use super::features::{load, store};
use super::runs::{Factoring, Run};
use crate::simd::{AlignedVec, Kernel, LANES, LaneSum, Simd, rsqrt};

/// Number of decays.
pub(super) const DECAYS: usize = 3;
/// Added to every squared gradient.
const SQUARE_FLOOR: f32 = 1e-30;
/// Added to the mean of the row accumulator.
const MEAN_FLOOR: f64 = 1e-9;
/// Lower bound inside a reciprocal root.
pub(super) const ROOT_FLOOR: f32 = 1e-9;
/// Added inside the reciprocal roots that are features.
pub(super) const FEATURE_FLOOR: f32 = 1e-8;

/// Scratch of one side (rows or columns): sums of squares, then the factors R or C.
#[derive(Debug, Default)]
pub(super) struct Side {
    pub(super) sum: AlignedVec,
    pub(super) factor: [AlignedVec; DECAYS],
    /// rsqrt(accumulator + 1e-8), a feature.
    pub(super) root: [AlignedVec; DECAYS],
}

impl Side {
    /// Room for `len` places.
    pub(super) fn new(len: usize) -> Self {
        let zeros = || AlignedVec::zeros(len.next_multiple_of(LANES));
        Self {
            sum: zeros(),
            factor: std::array::from_fn(|_| zeros()),
            root: std::array::from_fn(|_| zeros()),
        }
    }
}

/// Clips gradients, if there is a bound, and sums g² by row and by column.
pub(crate) struct SumSquares<'a> {
    pub(crate) bound: Option<f32>,
    pub(crate) grads: &'a mut [f32],
    pub(crate) runs: &'a [Run],
    pub(crate) factoring: &'a Factoring,
    pub(crate) row: &'a mut [f32],
    pub(crate) col: &'a mut [f32],
}

impl Kernel for SumSquares<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let f = self.factoring;
        self.row.fill(0.0);
        self.col.fill(0.0);
        let (row, col) = (self.row.len(), self.col.len());
        assert!(row >= f.row_len && col >= f.col_len);
        match (f.is_row_constant, f.is_col_constant) {
            (true, _) => self.lines::<S, true, false>(s),
            (_, true) => self.lines::<S, false, true>(s),
            _ => self.lines::<S, false, false>(s),
        }
    }
}

impl SumSquares<'_> {
    /// All runs; `ROW` and `COL` say which side is constant along them.
    #[inline(always)]
    fn lines<S: Simd, const ROW: bool, const COL: bool>(&mut self, s: S) {
        for run in self.runs {
            let line = &mut self.grads[run.start..][..run.len];
            // SAFETY: a run's places are inside the sides, whose lengths were checked.
            let (row, col) =
                unsafe { (self.row.as_mut_ptr().add(run.row), self.col.as_mut_ptr().add(run.col)) };
            let mut total = LaneSum::zero(s);
            for (group, values) in line.chunks_mut(LANES).enumerate() {
                for half in 0..LANES / S::WIDTH {
                    let at = half * S::WIDTH;
                    if at >= values.len() {
                        break;
                    }
                    let (n, place) = ((values.len() - at).min(S::WIDTH), group * LANES + at);
                    // SAFETY: `n` elements remain in the run, and in a side it is spread along.
                    unsafe {
                        let g = values.as_mut_ptr().add(at);
                        let mut x = load(s, g, n);
                        if let Some(bound) = self.bound {
                            x = s.clamp(x, -bound, bound);
                            store(s, g, x, n);
                        }
                        let x = s.mul(x, x);
                        total.add(s, half, x);
                        for (is_spread, side) in [(!ROW, row), (!COL, col)] {
                            if is_spread {
                                let side = side.add(place);
                                store(s, side, s.add(load(s, side, n), x), n);
                            }
                        }
                    }
                }
            }
            // SAFETY: as above.
            unsafe {
                if ROW {
                    *row += total.total(s);
                } else if COL {
                    *col += total.total(s);
                }
            }
        }
    }
}

/// Updates the accumulators of one side from its sums, and gives per decay the sums of squares over its places of the
/// accumulator and of its reciprocal root: `[[Σa², Σrsqrt(a)²]; DECAYS]`.
pub(super) struct UpdateSide<'a> {
    pub(super) side: &'a mut Side,
    /// The accumulators in the state, padded.
    pub(super) accumulators: [&'a mut [f32]; DECAYS],
    pub(super) len: usize,
    /// Elements averaged into one place.
    pub(super) count: usize,
    pub(super) beta: [f32; DECAYS],
    pub(super) complement: [f32; DECAYS],
    /// For rows: the view in which the accumulator is divided by its mean over the middle axis.
    pub(super) mean_over: Option<[usize; 3]>,
}

impl Kernel for UpdateSide<'_> {
    type Output = [[f32; 2]; DECAYS];

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Self::Output {
        let Self { side, accumulators, len, count, beta, complement, mean_over } = self;
        let mut sums = [[0.0; 2]; DECAYS];
        let inverse = s.splat(1.0 / count as f32);
        for (k, a) in accumulators.into_iter().enumerate() {
            let (b, c) = (s.splat(beta[k]), s.splat(complement[k]));
            let (mut square, mut root_square) = (LaneSum::zero(s), LaneSum::zero(s));
            let padded = len.next_multiple_of(LANES);
            assert!(a.len() >= padded && side.sum.len() >= padded);
            let (factor, root) = (&mut side.factor[k], &mut side.root[k]);
            for j in (0..padded).step_by(LANES) {
                for half in 0..LANES / S::WIDTH {
                    let at = j + half * S::WIDTH;
                    let live = s.first(len.saturating_sub(at).min(S::WIDTH));
                    // SAFETY: `at + WIDTH <= padded`, which all four arrays hold.
                    unsafe {
                        let mean = s.fma(s.load(side.sum.as_ptr().add(at)), inverse, s.splat(SQUARE_FLOOR));
                        let value = s.fma(b, s.load(a.as_ptr().add(at)), s.mul(c, mean));
                        let value = s.select(live, value, s.splat(0.0));
                        s.store(a.as_mut_ptr().add(at), value);
                        let r = rsqrt(s, s.add(value, s.splat(FEATURE_FLOOR)));
                        s.store(root.as_mut_ptr().add(at), r);
                        if mean_over.is_none() {
                            let factor = factor.as_mut_ptr().add(at);
                            s.store(factor, rsqrt(s, s.max(s.splat(ROOT_FLOOR), value)));
                        }
                        let r = s.select(live, r, s.splat(0.0));
                        square.fma(s, half, value, value);
                        root_square.fma(s, half, r, r);
                    }
                }
            }
            sums[k] = [square.total(s), root_square.total(s)];
            if let Some(view) = mean_over {
                normalized_factor(s, a, view, factor);
            }
        }
        sums
    }
}

/// A tensor's row and column accumulators out of its state, each padded.
pub(super) fn accumulators<'a>(state: &'a mut [f32], factoring: &Factoring) -> [[&'a mut [f32]; DECAYS]; 2] {
    let (row, col) = state.split_at_mut(DECAYS * factoring.row_len.next_multiple_of(LANES));
    [row, col].map(|side| {
        let (a, rest) = side.split_at_mut(side.len() / DECAYS);
        let (b, c) = rest.split_at_mut(rest.len() / 2);
        [a, b, c]
    })
}

/// The sum in f64: eight partial sums, so that none waits for the one before.
#[inline(always)]
fn sum_f64(x: &[f32]) -> f64 {
    let (eights, rest) = x.as_chunks::<8>();
    let mut sums = [0f64; 8];
    for eight in eights {
        for i in 0..8 {
            sums[i] += f64::from(eight[i]);
        }
    }
    for i in 0..rest.len() {
        sums[i] += f64::from(rest[i]);
    }
    sums.iter().sum()
}

/// R = rsqrt(max(a/(mean over the middle axis + 1e-9), 1e-9)).
#[inline(always)]
fn normalized_factor<S: Simd>(s: S, a: &[f32], [outer, middle, inner]: [usize; 3], out: &mut [f32]) {
    let inverse = |sum: f64| (1.0 / (sum / middle as f64 + MEAN_FLOOR)) as f32;
    for o in 0..outer {
        if inner == 1 {
            let (a, out) = (&a[o * middle..][..middle], &mut out[o * middle..][..middle]);
            let inverse = inverse(sum_f64(a));
            for m in 0..middle {
                out[m] = a[m] * inverse;
            }
            continue;
        }
        for i in 0..inner {
            let places = (0..middle).map(|m| (o * middle + m) * inner + i);
            let inverse = inverse(places.clone().map(|at| f64::from(a[at])).sum());
            places.for_each(|at| out[at] = a[at] * inverse);
        }
    }
    let len = outer * middle * inner;
    for chunk in out[..len].chunks_mut(S::WIDTH) {
        // SAFETY: loads and stores touch the chunk alone.
        unsafe {
            let x = s.load_first(chunk.as_ptr(), chunk.len());
            s.store_first(chunk.as_mut_ptr(), rsqrt(s, s.max(s.splat(ROOT_FLOOR), x)), chunk.len());
        }
    }
}

/// What one side adds to the first layer: `out[h, place] = bias[h] + Σ_k (w[k][h]·a_k + w_root[k][h]·root_k)`, rows `stride` apart.
pub(super) struct FoldSide<'a> {
    /// `[hidden]`, or empty for zeros.
    pub(super) bias: &'a [f32],
    pub(super) side: &'a Side,
    pub(super) accumulators: [&'a [f32]; DECAYS],
    /// Weights of the accumulators, then of their roots, `[hidden]` each, normalisers folded in.
    pub(super) weights: &'a [f32],
    pub(super) hidden: usize,
    pub(super) len: usize,
    pub(super) out: &'a mut [f32],
    pub(super) stride: usize,
}

impl Kernel for FoldSide<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { bias, side, accumulators, weights, hidden, len, out, stride } = self;
        let padded = len.next_multiple_of(LANES);
        assert!(stride >= padded && out.len() >= hidden * stride && weights.len() >= 2 * DECAYS * hidden);
        assert!((0..DECAYS).all(|k| accumulators[k].len() >= padded && side.root[k].len() >= padded));
        for h in 0..hidden {
            let mut w = [s.splat(0.0); 2 * DECAYS];
            for k in 0..2 * DECAYS {
                w[k] = s.splat(weights[k * hidden + h]);
            }
            for at in (0..padded).step_by(S::WIDTH) {
                let mut y = s.splat(if bias.is_empty() { 0.0 } else { bias[h] });
                // SAFETY: `at + WIDTH <= padded`, which all arrays hold.
                unsafe {
                    for k in 0..DECAYS {
                        y = s.fma(w[k], s.load(accumulators[k].as_ptr().add(at)), y);
                        y = s.fma(w[DECAYS + k], s.load(side.root[k].as_ptr().add(at)), y);
                    }
                    s.store(out.as_mut_ptr().add(h * stride + at), y);
                }
            }
        }
    }
}
