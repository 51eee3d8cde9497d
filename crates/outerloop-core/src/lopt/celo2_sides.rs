//! What rows and columns of a factored tensor add to the first layer of Celo2's network.

use super::celo2::{DECAYS, HIDDEN};
use super::celo2_bound::NORMALIZER_FLOOR;
use super::factored::{FoldSide, Side};
use super::features;
use super::rule::Span;
use super::runs::{Factoring, Run};
use crate::simd::{AlignedVec, Cpu, LANES};

const NUM: usize = DECAYS.len();
/// Groups of features: rows and columns, and their roots.
const GROUPS: [[usize; 2]; 2] = [[9, 10], [11, 12]];

/// Scratch of both sides, for any tensor of a lane.
pub(super) struct Sides {
    pub(super) values: [Side; 2],
    bias: Vec<f32>,
    /// Weights of the accumulators of rows and columns, then of their roots; `[3, hidden]` each.
    weights: [[Vec<f32>; 2]; 2],
    /// One side's weights with normalisers, `[6, hidden]`.
    scaled: Vec<f32>,
    /// `[hidden, stride]` each.
    starts: [AlignedVec; 2],
    stride: usize,
}

impl Sides {
    /// Room for tensors factored in the given ways; `group` gives a group's weights.
    pub(super) fn new<'a, 'b>(
        factorings: impl Iterator<Item = &'a Factoring>,
        bias: &[f32],
        group: impl Fn(usize) -> &'b [f32],
    ) -> Self {
        let (row_len, col_len) =
            factorings.fold((0, 0), |(rows, cols), f| (rows.max(f.row_len), cols.max(f.col_len)));
        let stride = row_len.max(col_len).next_multiple_of(LANES);
        Self {
            values: [Side::new(row_len), Side::new(col_len)],
            bias: bias.to_vec(),
            weights: GROUPS.map(|kinds| kinds.map(|g| group(g).to_vec())),
            scaled: vec![0.0; 2 * NUM * HIDDEN],
            starts: std::array::from_fn(|_| AlignedVec::zeros(HIDDEN * stride)),
            stride,
        }
    }

    /// Works out what both sides add in one span, from their mean squares there.
    pub(super) fn fold(
        &mut self,
        cpu: Cpu,
        accumulators: [[&[f32]; NUM]; 2],
        lens: [usize; 2],
        means: [[[f32; 2]; NUM]; 2],
    ) {
        for which in 0..2 {
            for k in 0..NUM {
                for kind in 0..2 {
                    let scale = 1.0 / (NORMALIZER_FLOOR + means[which][k][kind]).sqrt();
                    let from = &self.weights[kind][which][k * HIDDEN..][..HIDDEN];
                    let to = &mut self.scaled[(kind * NUM + k) * HIDDEN..][..HIDDEN];
                    to.iter_mut().zip(from).for_each(|(to, w)| *to = w * scale);
                }
            }
            cpu.run(FoldSide {
                bias: if which == 0 { &self.bias } else { &[] },
                side: &self.values[which],
                accumulators: accumulators[which],
                weights: &self.scaled,
                hidden: HIDDEN,
                len: lens[which],
                out: &mut self.starts[which],
                stride: self.stride,
            });
        }
    }

    /// What was worked out, for the passes over the elements.
    pub(super) fn pointers<'a>(&'a self, factoring: &'a Factoring) -> features::Sides<'a> {
        features::Sides {
            factoring,
            values: self.values.each_ref(),
            starts: self.starts.each_ref().map(|x| &**x),
            stride: self.stride,
        }
    }

    /// Mean squares of both sides' accumulators and their roots over a span of a tensor of rank above 2, where a place
    /// may count more than once: element by element, in f64.
    pub(super) fn mean_squares(
        &self,
        runs: &[Run],
        span: &Span,
        factoring: &Factoring,
        accumulators: [[&[f32]; NUM]; 2],
    ) -> [[[f32; 2]; NUM]; 2] {
        std::array::from_fn(|which| {
            mean_squares(runs, span, factoring, which, accumulators[which], &self.values[which])
        })
    }
}

fn mean_squares(
    runs: &[Run],
    span: &Span,
    factoring: &Factoring,
    which: usize,
    accumulators: [&[f32]; NUM],
    side: &Side,
) -> [[f32; 2]; NUM] {
    let is_constant = [factoring.is_row_constant, factoring.is_col_constant][which];
    let mut sums = [[0f64; 2]; NUM];
    for run in runs {
        let (first, end) = (run.start.max(span.start), (run.start + run.len).min(span.start + span.len));
        for e in first..end {
            let place = [run.row, run.col][which] + if is_constant { 0 } else { e - run.start };
            for k in 0..NUM {
                let values = [accumulators[k][place], side.root[k][place]].map(f64::from);
                sums[k] = [sums[k][0] + values[0] * values[0], sums[k][1] + values[1] * values[1]];
            }
        }
    }
    sums.map(|s| s.map(|s| (s / span.len as f64) as f32))
}
