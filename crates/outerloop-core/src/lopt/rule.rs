//! A learned update rule for one kind of tensor: features of every element, and the network that reads them.

use super::BLOCK;
use super::accumulate::Accumulate;
use super::columns::{Direct, Sink};
use super::features::{
    Arrays, Decay, Features, MAX_STATE, ONE_CONSTANT, PLAIN, Pointers, SidePointers, Sides,
};
use super::fill::FillBlock;
use super::mlp::{ParamMlp, Start};
use super::runs::Run;
use crate::simd::{AlignedVec, Cpu};
use std::marker::PhantomData;
use std::ops::Range;

/// Elements that are normalised together.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Span {
    /// First element.
    pub(super) start: usize,
    /// Elements.
    pub(super) len: usize,
    /// The tensor's runs that make up the span.
    pub(super) runs: Range<usize>,
}

impl Span {
    /// Its elements.
    pub(super) fn range(&self) -> Range<usize> {
        self.start..self.start + self.len
    }
}

/// Cuts a tensor of `len` elements into spans of `span_len`, whole lines of it.
pub(super) fn spans_of(len: usize, span_len: usize, runs: &[Run]) -> Vec<Span> {
    let span = |start: usize| {
        let first = runs.partition_point(|r| r.start < start);
        let end = runs.partition_point(|r| r.start < start + span_len);
        Span { start, len: span_len, runs: first..end }
    };
    (0..len).step_by(span_len).map(span).collect()
}

/// What is wanted of the network's outputs, direction and magnitude.
pub(super) enum Wanted<'a> {
    /// p ← p − direction·exp(exp_mult·magnitude)·step_mult.
    Step { exp_mult: f32, step_mult: f32 },
    /// Direction·exp(exp_mult·magnitude) of every element of the span; without a second output the direction.
    Direction { out: &'a mut [f32], exp_mult: f32 },
}

impl Wanted<'_> {
    /// The same for a part of the elements.
    pub(super) fn within(&mut self, part: Range<usize>) -> Wanted<'_> {
        match self {
            Self::Step { exp_mult, step_mult } => Wanted::Step { exp_mult: *exp_mult, step_mult: *step_mult },
            Self::Direction { out, exp_mult } => {
                Wanted::Direction { out: &mut out[part], exp_mult: *exp_mult }
            }
        }
    }
}

/// Features and network.
pub(super) struct Rule<F> {
    decays: [Decay; MAX_STATE],
    /// First layer's weights of the channels, `[channels, hidden]`, without normalisers.
    weights: Vec<f32>,
    /// Added to a channel's mean square.
    floor: f32,
    mlp: ParamMlp,
    /// What the first pass keeps for the second.
    kept: AlignedVec,
    features: PhantomData<F>,
}

impl<F: Features> Rule<F> {
    /// A rule whose channels have the given weights, `[channels, hidden]`, and whose state the given decays, for tensors of
    /// at most `longest` elements with padding.
    pub(super) fn new(
        decays: &[Decay],
        weights: Vec<f32>,
        floor: f32,
        mlp: ParamMlp,
        longest: usize,
    ) -> Self {
        assert!(decays.len() == F::MOMENTA + F::SQUARES && mlp.num_features == F::CHANNELS);
        assert!(weights.len() == F::CHANNELS * mlp.hidden);
        let mut all = [Decay::default(); MAX_STATE];
        all[..decays.len()].copy_from_slice(decays);
        let kept = AlignedVec::zeros(F::KEPT * longest);
        Self { decays: all, weights, floor, mlp, kept, features: PhantomData }
    }

    /// The channels' weights and the network, to be replaced.
    pub(super) fn weights_mut(&mut self) -> (&mut [f32], &mut ParamMlp) {
        (&mut self.weights, &mut self.mlp)
    }

    /// One step over a span whose runs are `runs`: updates the accumulators, measures the channels, folds their normalisers
    /// into the first layer and runs the network. Without `sides` nothing is factored, the span is the tensor, and `bias`
    /// is the first layer's.
    pub(super) fn run(
        &mut self,
        cpu: Cpu,
        arrays: &mut Arrays<'_>,
        runs: &[Run],
        sides: Option<Sides<'_>>,
        bias: &[f32],
        wanted: Wanted<'_>,
    ) {
        let (Some(first), Some(last)) = (runs.first(), runs.last()) else { return };
        let (start, len) = (first.start, last.start + last.len - first.start);
        let hidden = self.mlp.hidden;
        let pointers = Pointers::new::<F>(arrays, &mut self.kept);
        let is_aligned = sides.is_some_and(|s| s.factoring.is_aligned);
        let sides = SidePointers::new(sides, hidden);
        assert!(
            start + len <= pointers.padded && (sides.kind != PLAIN || (start == 0 && bias.len() >= hidden))
        );
        cpu.run(Accumulate::<F> {
            arrays: pointers,
            runs,
            sides,
            decays: &self.decays,
            weights: &self.weights,
            floor: self.floor,
            out: &mut self.mlp.w0,
            features: PhantomData,
        });
        let mut sink = match wanted {
            // SAFETY: the arrays are borrowed until the end of this function, and the network reads a register of
            // parameters before it takes their step.
            Wanted::Step { exp_mult, step_mult } => unsafe {
                Sink::step_at(pointers.params.add(start), len, exp_mult, step_mult)
            },
            Wanted::Direction { out, exp_mult } => {
                assert!(out.len() == len);
                Sink::direction(out, exp_mult)
            }
        };
        if sides.kind == PLAIN {
            let columns = Direct::<F, PLAIN>::new(pointers, runs, sides, bias);
            self.mlp.forward(cpu, columns, None, &mut sink);
        } else if is_aligned {
            let columns = Direct::<F, ONE_CONSTANT>::new(pointers, runs, sides, bias);
            self.mlp.forward(cpu, columns, None, &mut sink);
        } else {
            for at in (start..start + len).step_by(BLOCK) {
                let n = (start + len - at).min(BLOCK);
                let from = runs.partition_point(|r| r.start + r.len <= at);
                let to = runs.partition_point(|r| r.start < at + n);
                let (out, begin) = (&mut self.mlp.features[..], &mut self.mlp.start[..]);
                cpu.run(FillBlock::<F> {
                    arrays: pointers,
                    runs: &runs[from..to],
                    at,
                    n,
                    sides,
                    hidden,
                    out,
                    start: begin,
                    features: PhantomData,
                });
                self.mlp.run(cpu, Start::Columns, None, &mut sink.part(at - start, n));
            }
        }
    }
}
