//! One tensor under the hierarchical optimizer: its arrays, and what its LSTM sees of it.

use super::theta::STATISTICS;
use crate::lopt::engine::hierarchical_features::{DECAYS, KEPT, Sums, TensorArrays, deviation};
use crate::optim::{Tensors, rounding};
use crate::simd::Workers;
use std::ops::Range;

/// Decays of momentum and of second moment.
pub(super) const NUM_DECAYS: usize = DECAYS.len();

/// One tensor: its place among parameters and state.
pub(super) struct TensorPlan {
    pub(super) len: usize,
    pub(super) rank: usize,
    pub(super) dims: [f32; 4],
    pub(super) params: Range<usize>,
    /// Momenta, second moments, old copies.
    pub(super) state: Range<usize>,
}

/// The arrays of tensor `row` out of the lane's; `kept` holds [`KEPT`] floats for every parameter, or none.
pub(super) fn arrays_of<'a>(
    t: &TensorPlan,
    row: usize,
    state: &'a mut [f32],
    [params, grads]: [&'a mut Tensors<'_>; 2],
    num_old: usize,
    read: usize,
    kept: &'a mut [f32],
) -> TensorArrays<'a> {
    let len = t.params.len();
    let (momenta, rest) = state[t.state.clone()].split_at_mut(NUM_DECAYS * len);
    let (squares, old) = rest.split_at_mut(NUM_DECAYS * len);
    TensorArrays {
        len: t.len,
        params: params.get(row, &t.params),
        grads: grads.get(row, &t.params),
        old: (num_old > 0).then(|| &old[read * len..][..len]),
        momenta,
        squares,
        kept: (!kept.is_empty()).then(|| &mut kept[KEPT * t.params.start..KEPT * t.params.end]),
    }
}

/// What an LSTM sees of its tensor besides the two vectors, in the order of the published names.
pub(super) fn statistics(
    workers: Workers<'_>,
    t: &TensorPlan,
    sums: &Sums,
    arrays: &TensorArrays<'_>,
    losses: [f32; 2],
) -> [f32; STATISTICS] {
    let Sums { squares, plain } = *sums;
    let n = t.len as f32;
    let pooled = n * NUM_DECAYS as f32;
    let mean = [plain[0] / pooled, plain[1] / pooled, plain[2] / n];
    let deviation = |values: &[f32], rows: usize, mean: f32| {
        deviation(workers, values, rows, t.len, mean) / (rows as f32 * n)
    };
    let var = [
        deviation(arrays.momenta, NUM_DECAYS, mean[0]),
        deviation(arrays.squares, NUM_DECAYS, mean[1]),
        deviation(arrays.params, 1, mean[2]),
    ];
    let [m, v, p] = mean.map(|x| [clipped_log(x), sign(x)]);
    let is_scalar = if t.rank == 0 { 1.0 } else { -1.0 };
    let [d0, d1, d2, d3] = t.dims;
    [
        clipped_log(squares[0].sqrt()),
        is_scalar,
        m[0],
        m[1],
        v[0],
        v[1],
        p[0],
        p[1],
        clipped_log(squares[1].sqrt()),
        d0,
        d1,
        d2,
        d3,
        losses[0],
        losses[1],
        clipped_log(var[0]),
        clipped_log(var[1]),
        clipped_log(var[2]),
    ]
}

pub(in crate::lopt) fn clipped_log(x: f32) -> f32 {
    let y = rounding::ln(1e-8 + x.abs());
    if y.is_nan() { y } else { y.clamp(-5.0, 5.0) }
}

pub(in crate::lopt) fn sign(x: f32) -> f32 {
    if x == 0.0 { 0.0 } else { x.signum() }
}
