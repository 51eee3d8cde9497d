//! A block's channels, written for the network: for tensors whose rows do not fill registers.

use super::STRIDE;
use super::features::{Features, ONE_CONSTANT, Pointers, SidePointers, channels};
use crate::simd::{Kernel, LANES, Simd};
use crate::tensor::Run;
use std::marker::PhantomData;

/// Writes the channels of elements `at..at + n` into `out: [channels, STRIDE]` and the first layer's start into
/// `start: [hidden, STRIDE]`.
pub(in crate::lopt) struct FillBlock<'a, F> {
    pub(in crate::lopt) arrays: Pointers<'a>,
    /// The runs that meet the elements.
    pub(in crate::lopt) runs: &'a [Run],
    pub(in crate::lopt) at: usize,
    pub(in crate::lopt) n: usize,
    pub(in crate::lopt) sides: SidePointers<'a>,
    pub(in crate::lopt) hidden: usize,
    pub(in crate::lopt) out: &'a mut [f32],
    pub(in crate::lopt) start: &'a mut [f32],
    pub(in crate::lopt) features: PhantomData<F>,
}

impl<F: Features> Kernel for FillBlock<'_, F> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        assert!(self.at + self.n <= self.arrays.padded && self.n + LANES <= STRIDE);
        assert!(self.out.len() >= F::CHANNELS * STRIDE && self.start.len() >= self.hidden * STRIDE);
        if self.sides.kind == ONE_CONSTANT {
            self.all::<S, ONE_CONSTANT>(s);
        } else {
            self.all::<S, { super::features::BOTH_SPREAD }>(s);
        }
    }
}

impl<F: Features> FillBlock<'_, F> {
    #[inline(always)]
    fn all<S: Simd, const KIND: u8>(&mut self, s: S) {
        for i in 0..self.runs.len() {
            let run = self.runs[i];
            let first = run.start.max(self.at);
            let end = (run.start + run.len).min(self.at + self.n);
            let [a, b] = self.sides.places(&run);
            for e in (first..end).step_by(S::WIDTH) {
                let j = e - run.start;
                let places = [if KIND == ONE_CONSTANT { a } else { a + j }, b + j];
                self.register::<S, KIND>(s, e, places, (end - e).min(S::WIDTH));
            }
        }
    }

    /// `live` elements from `e`.
    #[inline(always)]
    fn register<S: Simd, const KIND: u8>(&mut self, s: S, e: usize, places: [usize; 2], live: usize) {
        // SAFETY: `live` elements remain in the run. A row of the block has room for a register at their column; what it
        // writes past the run is overwritten by the next run or never read.
        unsafe {
            let factors = self.sides.factors::<S, KIND>(s, places, live);
            let values = channels::<S, F>(s, &self.arrays.inputs::<S, F>(s, e, live, factors));
            let out = self.out.as_mut_ptr().add(e - self.at);
            for c in 0..F::CHANNELS {
                s.store(out.add(c * STRIDE), values[c]);
            }
            let start = self.start.as_mut_ptr().add(e - self.at);
            for h in 0..self.hidden {
                s.store(start.add(h * STRIDE), self.sides.start::<S, KIND>(s, h, places, live));
            }
        }
    }
}
