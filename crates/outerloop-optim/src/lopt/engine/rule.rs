//! A learned update rule for one kind of tensor: features of every element, and the network that reads them.

use super::accumulate::{Accumulate, Fold};
use super::columns::{Direct, Sink};
use super::features::{
    Arrays, Decay, Features, MAX_CHANNELS, MAX_STATE, ONE_CONSTANT, PLAIN, Pointers, SidePointers, Sides,
};
use super::fill::FillBlock;
use super::mlp::{ParamMlp, Scratch};
use super::nominal::{NominalScales, NominalStep};
use crate::simd::{AlignedVec, Cpu, Workers};
use crate::tensor::{BLOCK, PLACED, Run, blocks_of};
use std::marker::PhantomData;
use std::ops::Range;
use std::sync::{Mutex, PoisonError};

/// Elements that are normalised together.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::lopt) struct Span {
    /// First element.
    pub(in crate::lopt) start: usize,
    /// Elements.
    pub(in crate::lopt) len: usize,
    /// The tensor's runs that make up the span, in blocks that threads may share.
    pub(in crate::lopt) blocks: Vec<Range<usize>>,
}

impl Span {
    /// Its elements.
    pub(in crate::lopt) fn range(&self) -> Range<usize> {
        self.start..self.start + self.len
    }
}

/// Cuts a tensor of `len` elements into spans of `span_len`, whole lines of it.
pub(in crate::lopt) fn spans_of(len: usize, span_len: usize, runs: &[Run]) -> Vec<Span> {
    let span = |start: usize| {
        let first = runs.partition_point(|r| r.start < start);
        let end = runs.partition_point(|r| r.start < start + span_len);
        Span { start, len: span_len, blocks: blocks_of(runs, first..end) }
    };
    (0..len).step_by(span_len).map(span).collect()
}

/// What is wanted of the network's outputs, direction and magnitude.
pub(in crate::lopt) enum Wanted<'a> {
    /// p ← p − direction·exp(exp_mult·magnitude)·step_mult.
    Step { exp_mult: f32, step_mult: f32 },
    /// Direction·exp(exp_mult·magnitude) of every element of the span; without a second output the direction.
    Direction { out: &'a mut [f32], exp_mult: f32 },
    /// The step of a network with four outputs. `out` is scratch for three numbers an element; there is one span.
    Nominal { out: &'a mut [f32], scales: NominalScales },
}

impl Wanted<'_> {
    /// The same for a part of the elements.
    pub(in crate::lopt) fn within(&mut self, part: Range<usize>) -> Wanted<'_> {
        match self {
            Self::Step { exp_mult, step_mult } => Wanted::Step { exp_mult: *exp_mult, step_mult: *step_mult },
            Self::Direction { out, exp_mult } => {
                Wanted::Direction { out: &mut out[part], exp_mult: *exp_mult }
            }
            Self::Nominal { out, scales } => Wanted::Nominal { out, scales: *scales },
        }
    }
}

/// Features and network.
pub(in crate::lopt) struct Rule<F> {
    decays: [Decay; MAX_STATE],
    /// First layer's weights of the channels, `[channels, hidden]`, without normalisers.
    weights: Vec<f32>,
    /// Added to a channel's mean square.
    floor: f32,
    mlp: ParamMlp,
    /// Room for every thread that has run the network.
    scratch: Mutex<Vec<Scratch>>,
    /// What the first pass keeps for the second.
    kept: AlignedVec,
    /// Sums of squares of every block.
    sums: Vec<[f32; MAX_CHANNELS]>,
    features: PhantomData<F>,
}

impl<F: Features> Rule<F> {
    /// A rule whose channels have the given weights, `[channels, hidden]`, and whose state the given decays, for tensors of
    /// at most `longest` elements with padding.
    pub(in crate::lopt) fn new(
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
        let scratch = Mutex::new(vec![mlp.scratch()]);
        Self { decays: all, weights, floor, mlp, scratch, kept, sums: vec![], features: PhantomData }
    }

    /// The channels' weights and the network, to be replaced.
    pub(in crate::lopt) fn weights_mut(&mut self) -> (&mut [f32], &mut ParamMlp) {
        (&mut self.weights, &mut self.mlp)
    }

    /// One step over a span of the tensor with the given `runs`: updates the accumulators, measures the channels, folds
    /// their normalisers into the first layer and runs the network. Without `sides` nothing is factored, the span is the
    /// tensor, and `bias` is the first layer's.
    pub(in crate::lopt) fn run(
        &mut self,
        workers: Workers<'_>,
        arrays: &mut Arrays<'_>,
        (runs, span): (&[Run], &Span),
        sides: Option<Sides<'_>>,
        bias: &[f32],
        wanted: Wanted<'_>,
    ) {
        let Span { start, len, ref blocks } = *span;
        let mut kept = std::mem::take(&mut self.kept);
        let pointers = Pointers::new::<F>(arrays, &mut kept);
        let is_aligned = sides.is_some_and(|s| s.factoring.is_aligned);
        let leaves_clip_out = is_aligned && sides.is_some_and(|s| s.is_within_clip);
        assert!(sides.is_none_or(|s| !is_aligned || s.places.len() * PLACED >= start + len));
        let sides = SidePointers::new(sides, self.mlp.hidden);
        assert!(start + len <= pointers.padded);
        assert!(sides.kind != PLAIN || (start == 0 && bias.len() >= self.mlp.hidden));
        self.measure(workers, pointers, (runs, blocks), sides, len);
        if leaves_clip_out {
            self.mlp.add_weights(F::RAW.len(), 0);
        }
        let mut nominal = None;
        let sink = match wanted {
            // SAFETY: the arrays are borrowed until the end of this function, and the network reads a register of
            // parameters before it takes their step.
            Wanted::Step { exp_mult, step_mult } => unsafe {
                Sink::step(pointers.params.add(start), len, exp_mult, step_mult)
            },
            Wanted::Direction { out, exp_mult } => {
                assert!(out.len() == len);
                Sink::direction(out, exp_mult)
            }
            Wanted::Nominal { out, scales } => {
                assert!(start == 0);
                nominal = Some(scales);
                Sink::four(out, len, scales.exp_mult)
            }
        };
        let cpu = workers.cpu();
        let forward = Forward { cpu, mlp: &self.mlp, pointers, sides, is_aligned, leaves_clip_out, bias };
        workers.each(blocks.len(), |i| {
            let runs = &runs[blocks[i].clone()];
            let (first, last) = (runs[0], runs[runs.len() - 1]);
            let n = last.start + last.len - first.start;
            let mut scratch = self.take_scratch();
            // SAFETY: blocks do not meet.
            let mut sink = unsafe { sink.block(first.start - start, n) };
            forward.run::<F>(&mut scratch, runs, &mut sink);
            self.put_scratch(scratch);
        });
        if let (4, Some(scales)) = (F::OUTPUTS, nominal) {
            workers.cpu().run(NominalStep::new::<F>(pointers, &sink, scales));
        }
        self.kept = kept;
    }

    /// The first pass, and the first layer's weights from what it measured.
    fn measure(
        &mut self,
        workers: Workers<'_>,
        arrays: Pointers<'_>,
        (runs, blocks): (&[Run], &[Range<usize>]),
        sides: SidePointers<'_>,
        len: usize,
    ) {
        let cpu = workers.cpu();
        let decays = &self.decays;
        let block = |i: usize| {
            let runs = &runs[blocks[i].clone()];
            cpu.run(Accumulate::<F> { arrays, runs, sides, decays, features: PhantomData })
        };
        let mut sums = [0.0; MAX_CHANNELS];
        if let [_] = blocks {
            sums = block(0);
        } else {
            self.sums.resize(self.sums.len().max(blocks.len()), sums);
            let all = &mut self.sums[..blocks.len()];
            workers.fill(all, block);
            for (c, sum) in sums.iter_mut().enumerate() {
                *sum = all.iter().map(|block| f64::from(block[c])).sum::<f64>() as f32;
            }
        }
        cpu.run(Fold {
            sums: &sums,
            n: len as f32,
            floor: self.floor,
            weights: &self.weights,
            out: &mut self.mlp.w0,
            channels: F::CHANNELS,
        });
    }

    fn take_scratch(&self) -> Scratch {
        let kept = self.scratch.lock().unwrap_or_else(PoisonError::into_inner).pop();
        kept.unwrap_or_else(|| self.mlp.scratch())
    }

    fn put_scratch(&self, scratch: Scratch) {
        self.scratch.lock().unwrap_or_else(PoisonError::into_inner).push(scratch);
    }
}

/// The network on a block of a tensor.
struct Forward<'a> {
    cpu: Cpu,
    mlp: &'a ParamMlp,
    pointers: Pointers<'a>,
    sides: SidePointers<'a>,
    is_aligned: bool,
    leaves_clip_out: bool,
    bias: &'a [f32],
}

impl Forward<'_> {
    /// The elements of `runs`, whose columns `sink` takes.
    fn run<F: Features>(&self, scratch: &mut Scratch, runs: &[Run], sink: &mut Sink<'_>) {
        let Self { cpu, mlp, pointers, sides, is_aligned, leaves_clip_out, bias } = *self;
        let start = runs[0].start;
        if sides.kind == PLAIN {
            let columns = Direct::<F, PLAIN>::new(pointers, start, sides, bias);
            return mlp.forward(cpu, scratch, columns, None, sink);
        }
        if const { F::CLIP.is_some() } && leaves_clip_out {
            let columns = Direct::<F, ONE_CONSTANT, 1>::new(pointers, start, sides, bias);
            return mlp.forward(cpu, scratch, columns, None, sink);
        }
        if is_aligned {
            let columns = Direct::<F, ONE_CONSTANT>::new(pointers, start, sides, bias);
            return mlp.forward(cpu, scratch, columns, None, sink);
        }
        for at in (start..start + sink.len()).step_by(BLOCK) {
            let n = (start + sink.len() - at).min(BLOCK);
            let from = runs.partition_point(|r| r.start + r.len <= at);
            let to = runs.partition_point(|r| r.start < at + n);
            cpu.run(FillBlock::<F> {
                arrays: pointers,
                runs: &runs[from..to],
                at,
                n,
                sides,
                hidden: mlp.hidden,
                out: &mut scratch.features,
                start: &mut scratch.start,
                features: PhantomData,
            });
            mlp.run(cpu, scratch, &mut sink.part(at - start, n));
        }
    }
}
