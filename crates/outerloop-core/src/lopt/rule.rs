//! A learned update rule for one kind of tensor: features of every element, and the network that reads them.

use super::factored::Side;
use super::features::{Accumulate, Arrays, Decay, Features, FillBlock, MAX_STATE, Places};
use super::mlp::{ParamMlp, Start};
use super::runs::{Factoring, Run};
use crate::simd::Cpu;
use std::marker::PhantomData;
use std::ops::Range;

/// Elements that are normalised together, cut into blocks.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Span {
    /// First element.
    pub(super) start: usize,
    /// Elements.
    pub(super) len: usize,
    /// The tensor's runs that meet the span.
    pub(super) runs: Range<usize>,
    pub(super) blocks: Vec<Block>,
}

/// At most [`super::BLOCK`] elements that pass through the network together.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Block {
    /// First element in the tensor.
    pub(super) at: usize,
    /// Elements.
    pub(super) n: usize,
    /// The tensor's runs that meet the block.
    pub(super) runs: Range<usize>,
}

/// Cuts a tensor of `len` elements into spans of `span_len`.
pub(super) fn spans_of(len: usize, span_len: usize, runs: &[Run]) -> Vec<Span> {
    let meeting = |at: usize, n: usize| {
        runs.partition_point(|r| r.start + r.len <= at)..runs.partition_point(|r| r.start < at + n)
    };
    let block = |at: usize, n: usize| Block { at, n, runs: meeting(at, n) };
    let span = |start: usize| Span {
        start,
        len: span_len,
        runs: meeting(start, span_len),
        blocks: (start..start + span_len)
            .step_by(super::BLOCK)
            .map(|at| block(at, (start + span_len - at).min(super::BLOCK)))
            .collect(),
    };
    (0..len).step_by(span_len).map(span).collect()
}

/// What a factored tensor's rows and columns hold.
#[derive(Clone, Copy)]
pub(super) struct Factored<'a> {
    pub(super) factoring: &'a Factoring,
    pub(super) sides: [&'a Side; 2],
    /// What rows (with the bias) and columns add to the first layer, `[hidden, stride]` each.
    pub(super) starts: [&'a [f32]; 2],
    pub(super) stride: usize,
}

/// Features and network.
pub(super) struct Rule<F> {
    decays: [Decay; MAX_STATE],
    /// First layer's weights of the channels, `[channels, hidden]`, without normalisers.
    weights: Vec<f32>,
    /// Added to a channel's mean square.
    floor: f32,
    pub(super) mlp: ParamMlp,
    features: PhantomData<F>,
}

impl<F: Features> Rule<F> {
    /// A rule whose channels have the given weights, `[channels, hidden]`, and whose state the given decays.
    pub(super) fn new(decays: &[Decay], weights: Vec<f32>, floor: f32, mlp: ParamMlp) -> Self {
        assert!(decays.len() == F::MOMENTA + F::SQUARES && mlp.num_features == F::CHANNELS);
        assert!(weights.len() == F::CHANNELS * mlp.hidden);
        let mut all = [Decay::default(); MAX_STATE];
        all[..decays.len()].copy_from_slice(decays);
        Self { decays: all, weights, floor, mlp, features: PhantomData }
    }

    /// Updates a span's accumulators, measures its channels and folds their normalisers into the first layer.
    pub(super) fn accumulate(
        &mut self,
        cpu: Cpu,
        arrays: &mut Arrays<'_>,
        runs: &[Run],
        span: &Span,
        factored: Option<Factored<'_>>,
    ) {
        let whole = [Run { start: span.start, len: span.len, row: 0, col: 0 }];
        let places = match factored {
            Some(f) => Places {
                runs: &runs[span.runs.clone()],
                at: span.start,
                n: span.len,
                factored: Some((f.factoring, f.sides)),
            },
            None => Places { runs: &whole, at: span.start, n: span.len, factored: None },
        };
        let sums = cpu.run(Accumulate::<F> { arrays, places, decays: &self.decays, features: PhantomData });
        let hidden = self.mlp.hidden;
        for c in 0..F::CHANNELS {
            let scale = 1.0 / (self.floor + sums[c] / span.len as f32).sqrt();
            for h in c * hidden..(c + 1) * hidden {
                self.mlp.w0[h] = self.weights[h] * scale;
            }
        }
    }

    /// The network's outputs for a block, in `mlp.outputs`; `bias` is the first layer's where nothing is factored.
    pub(super) fn run(
        &mut self,
        cpu: Cpu,
        arrays: &Arrays<'_>,
        runs: &[Run],
        block: &Block,
        bias: &[f32],
        factored: Option<Factored<'_>>,
    ) {
        let (at, n) = (block.at, block.n);
        let whole = [Run { start: at, len: n, row: 0, col: 0 }];
        let (places, sides, side_stride, start) = match factored {
            Some(f) => {
                let places =
                    Places { runs: &runs[block.runs.clone()], at, n, factored: Some((f.factoring, f.sides)) };
                (places, f.starts, f.stride, Start::Columns)
            }
            None => (Places { runs: &whole, at, n, factored: None }, [&[][..]; 2], 0, Start::Bias(bias)),
        };
        let hidden = self.mlp.hidden;
        let (out, begin) = (&mut self.mlp.features[..], &mut self.mlp.start[..]);
        let features = PhantomData;
        cpu.run(FillBlock::<F> { arrays, places, sides, side_stride, hidden, out, start: begin, features });
        self.mlp.run(cpu, n, start, None);
    }
}
