//! A learned update rule for one kind of tensor: formulas of its channels, and the network that reads them.

use super::STRIDE;
use super::channels::{Arrays, Fill, FillFactors, FillStart, Formula, Places};
use super::factored::{DECAYS, Side};
use super::mlp::{ParamMlp, Start};
use super::runs::{Factoring, Run};
use crate::simd::{AlignedVec, Cpu, LANES, sum_lanes};
use std::ops::Range;

/// Elements that are normalised together, cut into blocks.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Span {
    /// First element.
    pub(super) start: usize,
    /// Elements.
    pub(super) len: usize,
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
    let block = |at: usize, n: usize| {
        let first = runs.partition_point(|r| r.start + r.len <= at);
        let end = runs.partition_point(|r| r.start < at + n);
        Block { at, n, runs: first..end }
    };
    let span = |start: usize| Span {
        start,
        len: span_len,
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
    pub(super) runs: &'a [Run],
    pub(super) sides: [&'a Side; 2],
    /// What rows and columns add to the first layer, `[hidden, stride]` each.
    pub(super) starts: [&'a [f32]; 2],
    pub(super) stride: usize,
}

impl<'a> Factored<'a> {
    fn places(&self, block: &Block) -> Places<'a> {
        let runs = &self.runs[block.runs.clone()];
        Places { factoring: self.factoring, runs, at: block.at, n: block.n }
    }
}

/// Formulas and network, with scratch for one block.
pub(super) struct Rule {
    formulas: Vec<Formula>,
    /// What is put in the place of R·C where nothing is factored.
    factor_formulas: Vec<Formula>,
    /// First layer's weights of the channels, `[formulas, hidden]`, without normalisers.
    weights: Vec<f32>,
    /// Added to a channel's mean square.
    floor: f32,
    pub(super) mlp: ParamMlp,
    factors: AlignedVec,
    lanes: Vec<f32>,
}

impl Rule {
    /// A rule whose channels have the given weights, `[formulas, hidden]`.
    pub(super) fn new(
        formulas: Vec<Formula>,
        factor_formulas: Vec<Formula>,
        weights: Vec<f32>,
        floor: f32,
        mlp: ParamMlp,
    ) -> Self {
        assert!(weights.len() == formulas.len() * mlp.hidden && mlp.num_features == formulas.len());
        Self {
            lanes: vec![0.0; formulas.len() * LANES],
            formulas,
            factor_formulas,
            weights,
            floor,
            mlp,
            factors: AlignedVec::zeros(DECAYS * STRIDE),
        }
    }

    /// Measures the channels over a span and folds their normalisers into the first layer.
    pub(super) fn measure(
        &mut self,
        cpu: Cpu,
        arrays: &Arrays<'_>,
        span: &Span,
        factored: Option<Factored<'_>>,
    ) {
        self.lanes.fill(0.0);
        for block in &span.blocks {
            self.fill(cpu, arrays, block, factored, true);
        }
        let hidden = self.mlp.hidden;
        for (c, lanes) in self.lanes.as_chunks::<LANES>().0.iter().enumerate() {
            let scale = 1.0 / (self.floor + sum_lanes(lanes) / span.len as f32).sqrt();
            for h in c * hidden..(c + 1) * hidden {
                self.mlp.w0[h] = self.weights[h] * scale;
            }
        }
    }

    fn fill(
        &mut self,
        cpu: Cpu,
        arrays: &Arrays<'_>,
        block: &Block,
        factored: Option<Factored<'_>>,
        measures: bool,
    ) {
        let Self { formulas, factor_formulas, factors, lanes, mlp, .. } = self;
        let (at, n) = (block.at, block.n);
        if let Some(f) = factored {
            cpu.run(FillFactors { places: f.places(block), sides: f.sides, out: factors });
        } else if !factor_formulas.is_empty() {
            let formulas = factor_formulas;
            cpu.run(Fill { formulas, arrays, factors: &[], at, n, out: factors, squares: None });
        }
        let (out, squares) = (&mut mlp.features[..], measures.then_some(&mut lanes[..]));
        cpu.run(Fill { formulas, arrays, factors, at, n, out, squares });
    }

    /// The network's outputs for a block, in `mlp.outputs`; `bias` is the first layer's.
    pub(super) fn run(
        &mut self,
        cpu: Cpu,
        arrays: &Arrays<'_>,
        block: &Block,
        bias: &[f32],
        factored: Option<Factored<'_>>,
    ) {
        self.fill(cpu, arrays, block, factored, false);
        let start = match factored {
            None => Start::Bias(bias),
            Some(f) => {
                let (places, sides, stride) = (f.places(block), f.starts, f.stride);
                cpu.run(FillStart { places, bias, sides, stride, out: &mut self.mlp.start });
                Start::Columns
            }
        };
        self.mlp.run(cpu, block.n, start, None);
    }
}
