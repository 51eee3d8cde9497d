//! The first pass over a tensor: accumulators are updated, what the second pass wants again is kept, and every channel's
//! squares are summed.

use super::features::{
    BOTH_SPREAD, Decay, Features, MAX_CHANNELS, MAX_MEASURED, MAX_PASSES, MAX_STATE, ONE_CONSTANT, PLAIN,
    Pass, Pointers, SidePointers,
};
use crate::simd::{Kernel, LANES, LaneSum, Simd, totals};
use crate::tensor::{Run, load, store};
use std::marker::PhantomData;
use std::ops::Range;

/// Elements that go through the first parts of the pass before the next ones: they stay in the first-level cache.
const CHUNK: usize = 512;

/// No part.
const NOTHING: Pass = Pass { state: (0, 0), kept: (0, 0), is_factored: false, channels: &[] };

/// Updates the accumulators of the elements of `runs` in place, and gives the sum of every channel's squares.
///
/// The pass is cut into the parts that the optimizer names and each of them into the registers of a group of lanes, so that
/// the sums under way fit into registers. Element i of the runs adds to lane i mod [`LANES`]; where rows and columns are
/// factored, element j of a run adds to lane j mod [`LANES`].
pub(in crate::lopt) struct Accumulate<'a, F> {
    pub(in crate::lopt) arrays: Pointers<'a>,
    pub(in crate::lopt) runs: &'a [Run],
    pub(in crate::lopt) sides: SidePointers<'a>,
    pub(in crate::lopt) decays: &'a [Decay; MAX_STATE],
    pub(in crate::lopt) features: PhantomData<F>,
}

impl<F: Features> Kernel for Accumulate<'_, F> {
    type Output = [f32; MAX_CHANNELS];

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> [f32; MAX_CHANNELS] {
        const { assert!(F::PASSES.len() <= MAX_PASSES) };
        let (first, last) = (self.runs[0], self.runs[self.runs.len() - 1]);
        let (start, end) = (first.start, last.start + last.len);
        let mut sums = [LaneSum::zero(s); MAX_CHANNELS];
        // The runs before this one are done.
        let mut run = 0;
        for from in (start..end).step_by(CHUNK) {
            let to = (from + CHUNK).min(end);
            let mut next = run;
            while next < self.runs.len() && self.runs[next].start + self.runs[next].len <= to {
                next += 1;
            }
            let runs = &self.runs[run..next];
            match self.sides.kind {
                PLAIN => self.chunk::<S, PLAIN>(s, from..to, runs, &mut sums),
                ONE_CONSTANT => self.chunk::<S, ONE_CONSTANT>(s, from..to, runs, &mut sums),
                _ => self.chunk::<S, BOTH_SPREAD>(s, from..to, runs, &mut sums),
            }
            run = next;
        }
        totals(s, &sums, F::CHANNELS)
    }
}

/// Folds the normalisers of the first `channels` channels into the first layer:
/// `out[c, h] = weights[c, h] / √(floor + sums[c]/n)`.
pub(in crate::lopt) struct Fold<'a> {
    pub(in crate::lopt) sums: &'a [f32; MAX_CHANNELS],
    /// Elements summed.
    pub(in crate::lopt) n: f32,
    pub(in crate::lopt) floor: f32,
    /// `[channels, hidden]`.
    pub(in crate::lopt) weights: &'a [f32],
    /// `[channels, hidden]`.
    pub(in crate::lopt) out: &'a mut [f32],
    pub(in crate::lopt) channels: usize,
}

impl Kernel for Fold<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { sums, n, floor, weights, out, channels } = self;
        let hidden = out.len() / channels;
        assert!(out.len() == channels * hidden && weights.len() == out.len() && channels <= MAX_CHANNELS);
        let mut scale = [0f32; MAX_CHANNELS];
        for c in 0..channels {
            scale[c] = sums[c] / n;
        }
        for c in 0..channels {
            scale[c] = 1.0 / (floor + scale[c]).sqrt();
        }
        for c in 0..channels {
            let x = s.splat(scale[c]);
            for h in (0..hidden).step_by(S::WIDTH) {
                let live = (hidden - h).min(S::WIDTH);
                // SAFETY: `live` weights remain in the row of channel c.
                unsafe {
                    let w = load(s, weights.as_ptr().add(c * hidden + h), live);
                    store(s, out.as_mut_ptr().add(c * hidden + h), s.mul(w, x), live);
                }
            }
        }
    }
}

impl<F: Features> Accumulate<'_, F> {
    /// All parts: those that are factored for `runs`, the others for the elements.
    #[inline(always)]
    fn chunk<S: Simd, const KIND: u8>(
        &self,
        s: S,
        elements: Range<usize>,
        runs: &[Run],
        sums: &mut [LaneSum<S>; MAX_CHANNELS],
    ) {
        self.part::<S, KIND, 0>(s, elements.clone(), runs, sums);
        self.part::<S, KIND, 1>(s, elements.clone(), runs, sums);
        self.part::<S, KIND, 2>(s, elements.clone(), runs, sums);
        self.part::<S, KIND, 3>(s, elements.clone(), runs, sums);
        self.part::<S, KIND, 4>(s, elements.clone(), runs, sums);
        self.part::<S, KIND, 5>(s, elements, runs, sums);
    }

    #[inline(always)]
    fn part<S: Simd, const KIND: u8, const P: usize>(
        &self,
        s: S,
        elements: Range<usize>,
        runs: &[Run],
        sums: &mut [LaneSum<S>; MAX_CHANNELS],
    ) {
        if P >= F::PASSES.len() {
            return;
        }
        let pass = part::<F>(P);
        for half in 0..LANES / S::WIDTH {
            let mut measured = [s.splat(0.0); MAX_MEASURED];
            for i in 0..pass.channels.len() {
                measured[i] = sums[pass.channels[i]].0[half];
            }
            if pass.is_factored && KIND != PLAIN {
                for run in runs {
                    let places = self.sides.places(run);
                    self.line::<S, KIND, P>(s, run.start, run.len, places, half, &mut measured);
                }
            } else {
                self.line::<S, PLAIN, P>(s, elements.start, elements.len(), [0, 0], half, &mut measured);
            }
            for i in 0..pass.channels.len() {
                sums[pass.channels[i]].0[half] = measured[i];
            }
        }
    }

    /// Part `P` for register `half` of every group of `len` neighbours from `start`, which are at `places` on the sides.
    #[inline(always)]
    fn line<S: Simd, const KIND: u8, const P: usize>(
        &self,
        s: S,
        start: usize,
        len: usize,
        [a, b]: [usize; 2],
        half: usize,
        measured: &mut [S::V; MAX_MEASURED],
    ) {
        let a_step = usize::from(KIND != ONE_CONSTANT);
        let mut j = half * S::WIDTH;
        while j + S::WIDTH <= len {
            self.register::<S, KIND, P>(s, start + j, [a + j * a_step, b + j], S::WIDTH, measured);
            j += LANES;
        }
        if j < len {
            self.register::<S, KIND, P>(s, start + j, [a + j * a_step, b + j], len - j, measured);
        }
    }

    /// Part `P` for `live` elements from `e`.
    #[inline(always)]
    fn register<S: Simd, const KIND: u8, const P: usize>(
        &self,
        s: S,
        e: usize,
        places: [usize; 2],
        live: usize,
        measured: &mut [S::V; MAX_MEASURED],
    ) {
        let (pass, padded) = (part::<F>(P), self.arrays.padded);
        // SAFETY: `live` elements remain in the run, which is inside the arrays and, at `places`, the sides.
        unsafe {
            let factors = self.sides.factors::<S, KIND>(s, places, live);
            let mut x = self.arrays.inputs::<S, F>(s, e, live, factors);
            x.factor_squares = self.sides.factor_squares::<S, KIND>(s, places, live);
            let square = s.mul(x.g, x.g);
            for k in pass.state.0..pass.state.1 {
                let Decay { complement, floor, .. } = self.decays[k];
                let new = if k < F::MOMENTA { x.g } else { s.add(square, s.splat(floor)) };
                let y = s.fma(s.splat(complement), s.sub(new, x.state[k]), x.state[k]);
                x.state[k] = y;
                store(s, self.arrays.state.add(k * padded + e), y, live);
            }
            if pass.kept.0 < pass.kept.1 {
                let kept = F::keep(s, &x);
                for k in pass.kept.0..pass.kept.1 {
                    x.kept[k] = kept[k];
                    store(s, self.arrays.kept.add(k * padded + e), kept[k], live);
                }
            }
            let squares = F::squares(s, &x);
            for i in 0..pass.channels.len() {
                measured[i] = squares[pass.channels[i]].add_to(s, measured[i], live);
            }
        }
    }
}

/// Part `p`, or nothing.
#[inline(always)]
fn part<F: Features>(p: usize) -> &'static Pass {
    if p < F::PASSES.len() { &F::PASSES[p] } else { &NOTHING }
}
