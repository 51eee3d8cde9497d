//! The first pass over a tensor: accumulators are updated, what the second pass wants again is kept, and every channel's
//! squares are summed.

use super::factored::DECAYS;
use super::features::{
    Decay, Features, Inputs, MAX_CHANNELS, MAX_MEASURED, MAX_PASSES, MAX_STATE, ONE_CONSTANT, PLAIN, Pass,
    Pointers, SidePointers, channels, store,
};
use super::runs::Run;
use crate::simd::{Kernel, LANES, LaneSum, Simd, totals};
use std::marker::PhantomData;

/// Elements that go through all parts of the pass before the next ones: they stay in the first-level cache.
const CHUNK: usize = 512;

/// No part.
const NOTHING: Pass = Pass { state: (0, 0), kept: (0, 0), channels: &[] };

/// Updates the accumulators of the elements of `runs` in place; returns every channel's sum of squares.
///
/// The element at place j of a run adds to lane j mod [`LANES`]. The pass is cut into the parts that the optimizer names
/// and each of them into the registers of a group of lanes, so that the sums under way fit into registers.
pub(super) struct Accumulate<'a, F> {
    arrays: Pointers,
    runs: &'a [Run],
    sides: SidePointers,
    decays: &'a [Decay; MAX_STATE],
    features: PhantomData<F>,
}

impl<'a, F: Features> Accumulate<'a, F> {
    /// # Safety
    /// The runs are the tensor's, and no one else uses what the pointers point to while the kernel runs.
    pub(super) unsafe fn new(
        arrays: Pointers,
        runs: &'a [Run],
        sides: SidePointers,
        decays: &'a [Decay; MAX_STATE],
    ) -> Self {
        assert!(F::PASSES.len() <= MAX_PASSES && F::PASSES.iter().all(|p| p.channels.len() <= MAX_MEASURED));
        Self { arrays, runs, sides, decays, features: PhantomData }
    }
}

impl<F: Features> Kernel for Accumulate<'_, F> {
    type Output = [f32; MAX_CHANNELS];

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> Self::Output {
        let mut sums = [LaneSum::zero(s); MAX_CHANNELS];
        let mut from = 0;
        while from < self.runs.len() {
            let (mut to, mut n) = (from, 0);
            while to < self.runs.len() && n < CHUNK {
                n += self.runs[to].len;
                to += 1;
            }
            let runs = &self.runs[from..to];
            match self.sides.kind {
                PLAIN => self.chunk::<S, PLAIN>(s, runs, &mut sums),
                ONE_CONSTANT => self.chunk::<S, ONE_CONSTANT>(s, runs, &mut sums),
                _ => self.chunk::<S, { super::features::BOTH_SPREAD }>(s, runs, &mut sums),
            }
            from = to;
        }
        totals(s, &sums)
    }
}

impl<F: Features> Accumulate<'_, F> {
    #[inline(always)]
    fn chunk<S: Simd, const KIND: u8>(&self, s: S, runs: &[Run], sums: &mut [LaneSum<S>; MAX_CHANNELS]) {
        for half in 0..LANES / S::WIDTH {
            self.pass::<S, KIND, 0>(s, runs, half, sums);
        }
        for half in 0..LANES / S::WIDTH {
            self.pass::<S, KIND, 1>(s, runs, half, sums);
        }
        for half in 0..LANES / S::WIDTH {
            self.pass::<S, KIND, 2>(s, runs, half, sums);
        }
        for half in 0..LANES / S::WIDTH {
            self.pass::<S, KIND, 3>(s, runs, half, sums);
        }
        for half in 0..LANES / S::WIDTH {
            self.pass::<S, KIND, 4>(s, runs, half, sums);
        }
        for half in 0..LANES / S::WIDTH {
            self.pass::<S, KIND, 5>(s, runs, half, sums);
        }
    }

    /// Part `P` for register `half` of every group.
    #[inline(always)]
    fn pass<S: Simd, const KIND: u8, const P: usize>(
        &self,
        s: S,
        runs: &[Run],
        half: usize,
        sums: &mut [LaneSum<S>; MAX_CHANNELS],
    ) {
        if P >= F::PASSES.len() {
            return;
        }
        let pass = part::<F>(P);
        let mut measured = [s.splat(0.0); MAX_MEASURED];
        for i in 0..pass.channels.len() {
            measured[i] = sums[pass.channels[i]].0[half];
        }
        for run in runs {
            let [a, b] = self.sides.places(run);
            let a_step = usize::from(KIND != ONE_CONSTANT);
            let mut j = half * S::WIDTH;
            while j + S::WIDTH <= run.len {
                let places = [a + j * a_step, b + j];
                self.register::<S, KIND, P>(s, run.start + j, places, S::WIDTH, &mut measured);
                j += LANES;
            }
            if j < run.len {
                let places = [a + j * a_step, b + j];
                self.register::<S, KIND, P>(s, run.start + j, places, run.len - j, &mut measured);
            }
        }
        for i in 0..pass.channels.len() {
            sums[pass.channels[i]].0[half] = measured[i];
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
            let factors: [S::V; DECAYS] = self.sides.factors::<S, KIND>(s, places, live);
            let mut x: Inputs<S> = self.arrays.inputs::<S, F>(s, e, live, factors);
            let square = s.mul(x.g, x.g);
            for k in pass.state.0..pass.state.1 {
                let Decay { beta, complement, floor } = self.decays[k];
                let new = if k < F::MOMENTA { x.g } else { s.add(square, s.splat(floor)) };
                let y = s.fma(s.splat(beta), x.state[k], s.mul(s.splat(complement), new));
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
            let values = channels::<S, F>(s, &x);
            let mask = s.first(live);
            for i in 0..pass.channels.len() {
                let value = values[pass.channels[i]];
                let value = if live == S::WIDTH { value } else { s.select(mask, value, s.splat(0.0)) };
                measured[i] = s.fma(value, value, measured[i]);
            }
        }
    }
}

/// Part `p`, or nothing.
#[inline(always)]
fn part<F: Features>(p: usize) -> &'static Pass {
    if p < F::PASSES.len() { &F::PASSES[p] } else { &NOTHING }
}
