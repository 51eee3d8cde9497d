//! What rows and columns of a factored tensor add to the first layer of the network.

use super::factored::{DECAYS, FoldSide, Side, UpdateSide};
use super::features;
use super::rule::Span;
use crate::simd::{AlignedVec, Cpu, LANES, Workers};
use crate::tensor::{Factoring, Run, sum_squares};
use std::ops::Range;

/// First layer's weights of the accumulators of rows and columns, then of their roots; `[DECAYS, hidden]` each.
pub(in crate::lopt) type SideWeights = [[Vec<f32>; 2]; 2];

/// How both sides are updated, and what they weigh.
pub(in crate::lopt) struct SideRule {
    /// Gradients are clipped to ± this.
    pub(in crate::lopt) gradient_bound: Option<f32>,
    /// See [`features::Features::CLIP`].
    pub(in crate::lopt) clip: Option<f32>,
    /// Decays of the accumulators and their complements.
    pub(in crate::lopt) decays: [[f32; 2]; DECAYS],
    pub(in crate::lopt) weights: SideWeights,
    /// Added to the mean square of an accumulator or its root.
    pub(in crate::lopt) floor: f32,
}

/// Rule and scratch of both sides, for any tensor of a lane.
pub(in crate::lopt) struct Sides {
    values: [Side; 2],
    rule: SideRule,
    /// One side's weights with normalisers, `[2 * DECAYS, hidden]`.
    scaled: Vec<f32>,
    /// `[hidden, stride]` each.
    starts: [AlignedVec; 2],
    stride: usize,
    is_within_clip: bool,
}

impl Sides {
    /// Room for tensors factored in the given ways.
    pub(in crate::lopt) fn new<'a>(factorings: impl Iterator<Item = &'a Factoring>, rule: SideRule) -> Self {
        let (row_len, col_len) =
            factorings.fold((0, 0), |(rows, cols), f| (rows.max(f.row_len), cols.max(f.col_len)));
        let stride = row_len.max(col_len).next_multiple_of(LANES);
        let hidden = rule.weights[0][0].len() / DECAYS;
        Self {
            values: [Side::new(row_len), Side::new(col_len)],
            rule,
            scaled: vec![0.0; 2 * DECAYS * hidden],
            starts: std::array::from_fn(|_| AlignedVec::zeros(hidden * stride)),
            stride,
            is_within_clip: false,
        }
    }

    /// The weights, to be replaced.
    pub(in crate::lopt) fn weights_mut(&mut self) -> &mut SideWeights {
        &mut self.rule.weights
    }

    /// What gradients are clipped to, ±.
    pub(in crate::lopt) fn gradient_bound(&self) -> Option<f32> {
        self.rule.gradient_bound
    }

    /// Clips a tensor's gradients and updates both sides' accumulators, `[rows, columns]`; returns for them what
    /// [`UpdateSide`] gives.
    pub(in crate::lopt) fn update(
        &mut self,
        workers: Workers<'_>,
        grads: &mut [f32],
        (runs, blocks): (&[Run], &[Range<usize>]),
        factoring: &Factoring,
        [row, col]: [[&mut [f32]; DECAYS]; 2],
    ) -> [[[f32; 2]; DECAYS]; 2] {
        let (beta, complement) = (self.rule.decays.map(|d| d[0]), self.rule.decays.map(|d| d[1]));
        let [rows, cols] = &mut self.values;
        let bound = self.rule.gradient_bound;
        let cpu = workers.cpu();
        let sums = [&mut *rows.sum, &mut *cols.sum];
        let largest = sum_squares(workers, grads, (runs, blocks), factoring, bound, sums);
        self.is_within_clip = self.rule.clip.is_some_and(|clip| largest <= clip);
        let (len, count) = (factoring.row_len, factoring.row_count);
        let mean_over = Some(factoring.row_mean);
        let row =
            cpu.run(UpdateSide { side: rows, accumulators: row, len, count, beta, complement, mean_over });
        let (len, count) = (factoring.col_len, factoring.col_count);
        let col = cpu.run(UpdateSide {
            side: cols,
            accumulators: col,
            len,
            count,
            beta,
            complement,
            mean_over: None,
        });
        [row, col]
    }

    /// Works out what both sides, and the bias, add in one span, from their mean squares there.
    pub(in crate::lopt) fn fold(
        &mut self,
        cpu: Cpu,
        bias: &[f32],
        accumulators: [[&[f32]; DECAYS]; 2],
        lens: [usize; 2],
        means: [[[f32; 2]; DECAYS]; 2],
    ) {
        let hidden = self.scaled.len() / (2 * DECAYS);
        for which in 0..2 {
            for k in 0..DECAYS {
                for kind in 0..2 {
                    let scale = 1.0 / (self.rule.floor + means[which][k][kind]).sqrt();
                    let from = &self.rule.weights[kind][which][k * hidden..][..hidden];
                    let to = &mut self.scaled[(kind * DECAYS + k) * hidden..][..hidden];
                    to.iter_mut().zip(from).for_each(|(to, w)| *to = w * scale);
                }
            }
            cpu.run(FoldSide {
                bias: if which == 0 { bias } else { &[] },
                side: &self.values[which],
                accumulators: accumulators[which],
                weights: &self.scaled,
                hidden,
                len: lens[which],
                out: &mut self.starts[which],
                stride: self.stride,
            });
        }
    }

    /// What was worked out, for the passes over the elements.
    pub(in crate::lopt) fn pointers<'a>(
        &'a self,
        factoring: &'a Factoring,
        places: &'a [[u32; 2]],
    ) -> features::Sides<'a> {
        features::Sides {
            factoring,
            places,
            values: self.values.each_ref(),
            starts: self.starts.each_ref().map(|x| &**x),
            stride: self.stride,
            is_within_clip: self.is_within_clip,
        }
    }

    /// Mean squares of both sides' accumulators and their roots over a span of a tensor of rank above 2, where a place
    /// may count more than once: element by element, in f64.
    pub(in crate::lopt) fn mean_squares(
        &self,
        runs: &[Run],
        span: &Span,
        factoring: &Factoring,
        accumulators: [[&[f32]; DECAYS]; 2],
    ) -> [[[f32; 2]; DECAYS]; 2] {
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
    accumulators: [&[f32]; DECAYS],
    side: &Side,
) -> [[f32; 2]; DECAYS] {
    let is_constant = [factoring.is_row_constant, factoring.is_col_constant][which];
    let mut sums = [[0f64; 2]; DECAYS];
    if factoring.is_by_matrix {
        // Every place of the matrix counts equally often.
        let (len, count) =
            [(factoring.row_len, factoring.row_count), (factoring.col_len, factoring.col_count)][which];
        let places = span.start / count..(span.start + span.len) / count;
        assert!(places.end <= len);
        for (k, sum) in sums.iter_mut().enumerate() {
            for (x, sum) in [&accumulators[k][places.clone()], &side.root[k][places.clone()]].iter().zip(sum)
            {
                *sum = x.iter().map(|&x| f64::from(x) * f64::from(x)).sum();
            }
        }
        return sums.map(|s| s.map(|s| (s / places.len() as f64) as f32));
    }
    for run in runs {
        let (first, end) = (run.start.max(span.start), (run.start + run.len).min(span.start + span.len));
        for e in first..end {
            let place = [run.row, run.col][which] + if is_constant { 0 } else { e - run.start };
            for k in 0..DECAYS {
                let values = [accumulators[k][place], side.root[k][place]].map(f64::from);
                sums[k] = [sums[k][0] + values[0] * values[0], sums[k][1] + values[1] * values[1]];
            }
        }
    }
    sums.map(|s| s.map(|s| (s / span.len as f64) as f32))
}
