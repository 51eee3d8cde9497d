//! Factored second moments in the manner of Adafactor (spec: learned_optimizers §1.3).

use crate::simd::{AlignedVec, Kernel, LANES, LaneSum, Simd, rsqrt};
use crate::tensor::{Factoring, load, store};

/// Number of decays.
pub(in crate::lopt) const DECAYS: usize = 3;
/// Added to every squared gradient.
const SQUARE_FLOOR: f32 = 1e-30;
/// Added to the mean of the row accumulator.
const MEAN_FLOOR: f64 = 1e-9;
/// Lower bound inside a reciprocal root.
pub(in crate::lopt) const ROOT_FLOOR: f32 = 1e-9;
/// Added inside the reciprocal roots that are features.
pub(in crate::lopt) const FEATURE_FLOOR: f32 = 1e-8;

/// Scratch of one side (rows or columns): sums of squares, then the factors R or C.
#[derive(Debug, Default)]
pub(in crate::lopt) struct Side {
    pub(in crate::lopt) sum: AlignedVec,
    pub(in crate::lopt) factor: [AlignedVec; DECAYS],
    /// R² or C².
    pub(in crate::lopt) factor_square: [AlignedVec; DECAYS],
    /// rsqrt(accumulator + 1e-8), a feature.
    pub(in crate::lopt) root: [AlignedVec; DECAYS],
}

impl Side {
    /// Room for `len` places.
    pub(in crate::lopt) fn new(len: usize) -> Self {
        let zeros = || AlignedVec::zeros(len.next_multiple_of(LANES));
        Self {
            sum: zeros(),
            factor: std::array::from_fn(|_| zeros()),
            factor_square: std::array::from_fn(|_| zeros()),
            root: std::array::from_fn(|_| zeros()),
        }
    }
}

/// Updates the accumulators of one side from its sums, and gives per decay the sums of squares over its places of the
/// accumulator and of its reciprocal root: `[[Σa², Σrsqrt(a)²]; DECAYS]`.
pub(in crate::lopt) struct UpdateSide<'a> {
    pub(in crate::lopt) side: &'a mut Side,
    /// The accumulators in the state, padded.
    pub(in crate::lopt) accumulators: [&'a mut [f32]; DECAYS],
    pub(in crate::lopt) len: usize,
    /// Elements averaged into one place.
    pub(in crate::lopt) count: usize,
    pub(in crate::lopt) beta: [f32; DECAYS],
    pub(in crate::lopt) complement: [f32; DECAYS],
    /// For rows: the view in which the accumulator is divided by its mean over the middle axis.
    pub(in crate::lopt) mean_over: Option<[usize; 3]>,
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
            let factor_square = &mut side.factor_square[k];
            assert!(factor.len() >= padded && factor_square.len() >= padded && root.len() >= padded);
            for j in (0..padded).step_by(LANES) {
                for half in 0..LANES / S::WIDTH {
                    let at = j + half * S::WIDTH;
                    let live = s.first(len.saturating_sub(at).min(S::WIDTH));
                    // SAFETY: `at + WIDTH <= padded`, which all arrays hold.
                    unsafe {
                        let mean = s.fma(s.load(side.sum.as_ptr().add(at)), inverse, s.splat(SQUARE_FLOOR));
                        let value = s.fma(b, s.load(a.as_ptr().add(at)), s.mul(c, mean));
                        let value = s.keep(live, value);
                        s.store(a.as_mut_ptr().add(at), value);
                        let r = rsqrt(s, s.add(value, s.splat(FEATURE_FLOOR)));
                        s.store(root.as_mut_ptr().add(at), r);
                        if mean_over.is_none() {
                            let r = rsqrt(s, s.max(s.splat(ROOT_FLOOR), value));
                            s.store(factor.as_mut_ptr().add(at), r);
                            s.store(factor_square.as_mut_ptr().add(at), s.mul(r, r));
                        }
                        let r = s.keep(live, r);
                        square.fma(s, half, value, value);
                        root_square.fma(s, half, r, r);
                    }
                }
            }
            sums[k] = [square.total(s), root_square.total(s)];
            if let Some(view) = mean_over {
                normalize(a, view, factor);
            }
        }
        if mean_over.is_some() {
            // All means before all roots: they do not wait for each other.
            for k in 0..DECAYS {
                let (factor, square) = (&mut side.factor[k][..len], &mut side.factor_square[k][..len]);
                for (factor, square) in factor.chunks_mut(S::WIDTH).zip(square.chunks_mut(S::WIDTH)) {
                    let live = factor.len();
                    // SAFETY: loads and stores touch the chunks alone.
                    unsafe {
                        let x = load(s, factor.as_ptr(), live);
                        let r = rsqrt(s, s.max(s.splat(ROOT_FLOOR), x));
                        store(s, factor.as_mut_ptr(), r, live);
                        store(s, square.as_mut_ptr(), s.mul(r, r), live);
                    }
                }
            }
        }
        sums
    }
}

/// A tensor's row and column accumulators out of its state, each padded.
pub(in crate::lopt) fn accumulators<'a>(
    state: &'a mut [f32],
    factoring: &Factoring,
) -> [[&'a mut [f32]; DECAYS]; 2] {
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

/// a/(mean over the middle axis + 1e-9).
#[inline(always)]
fn normalize(a: &[f32], [outer, middle, inner]: [usize; 3], out: &mut [f32]) {
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
}

/// What one side adds to the first layer: `out[h, place] = bias[h] + Σ_k (w[k][h]·a_k + w_root[k][h]·root_k)`, rows `stride` apart.
pub(in crate::lopt) struct FoldSide<'a> {
    /// `[hidden]`, or empty for zeros.
    pub(in crate::lopt) bias: &'a [f32],
    pub(in crate::lopt) side: &'a Side,
    pub(in crate::lopt) accumulators: [&'a [f32]; DECAYS],
    /// Weights of the accumulators, then of their roots, `[hidden]` each, normalisers folded in.
    pub(in crate::lopt) weights: &'a [f32],
    pub(in crate::lopt) hidden: usize,
    pub(in crate::lopt) len: usize,
    pub(in crate::lopt) out: &'a mut [f32],
    pub(in crate::lopt) stride: usize,
}

impl Kernel for FoldSide<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { bias, side, accumulators, weights, hidden, len, out, stride } = self;
        let padded = len.next_multiple_of(LANES);
        assert!(stride >= padded && out.len() >= hidden * stride && weights.len() >= 2 * DECAYS * hidden);
        assert!((0..DECAYS).all(|k| accumulators[k].len() >= padded && side.root[k].len() >= padded));
        // Units inside: a CPU predicts the end of a short loop that always has the same number of passes.
        for group in (0..padded).step_by(LANES) {
            let mut x = [[s.splat(0.0); 2]; 2 * DECAYS];
            for half in 0..LANES / S::WIDTH {
                let at = group + half * S::WIDTH;
                for k in 0..DECAYS {
                    // SAFETY: `at + WIDTH <= padded`, which all arrays hold.
                    unsafe {
                        x[2 * k][half] = s.load(accumulators[k].as_ptr().add(at));
                        x[2 * k + 1][half] = s.load(side.root[k].as_ptr().add(at));
                    }
                }
            }
            for h in 0..hidden {
                let mut y = [s.splat(if bias.is_empty() { 0.0 } else { bias[h] }); 2];
                for i in 0..2 * DECAYS {
                    let w = s.splat(weights[(i / 2 + i % 2 * DECAYS) * hidden + h]);
                    for half in 0..LANES / S::WIDTH {
                        y[half] = s.fma(w, x[i][half], y[half]);
                    }
                }
                for half in 0..LANES / S::WIDTH {
                    // SAFETY: as above, and `out` has rows of `stride`.
                    unsafe { s.store(out.as_mut_ptr().add(h * stride + group + half * S::WIDTH), y[half]) };
                }
            }
        }
    }
}
