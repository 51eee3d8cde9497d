//! Tensors of a caller as kernels want them: whole groups of lanes.

use crate::optim::squares::largest;
use crate::optim::{TensorPlace, factor_to};
use crate::params::{ALIGN, ParamLayout};
use crate::simd::{AlignedVec, Cpu};

/// Places of a step's tensors: the caller's own where their lengths are whole groups, else copies.
pub(super) struct Padding {
    places: Vec<TensorPlace>,
    /// Copies of the tensors that need one, padded.
    copies: AlignedVec,
    /// Where a tensor's copy is.
    at: Vec<Option<usize>>,
}

impl Padding {
    /// Copies where lengths make them necessary, or of all tensors.
    pub(super) fn new(layout: &ParamLayout, copies_all: bool) -> Self {
        let mut len = 0;
        let at = layout.specs().iter().enumerate().map(|(i, spec)| {
            let needs_copy = copies_all || !spec.len().is_multiple_of(ALIGN);
            needs_copy.then(|| {
                len += layout.padded_range(i).len();
                len - layout.padded_range(i).len()
            })
        });
        let at: Vec<_> = at.collect();
        Self { places: Vec::with_capacity(at.len()), copies: AlignedVec::zeros(len), at }
    }

    /// The places of `tensors`, in leaf order, copies being filled.
    /// # Safety
    /// The tensors are not used otherwise while the places are. Those that are only readable are not written through them.
    pub(super) unsafe fn places(&mut self, tensors: &[(*mut f32, usize)]) -> &[TensorPlace] {
        self.places.clear();
        for (&(start, len), at) in tensors.iter().zip(&self.at) {
            let place = match *at {
                // SAFETY: the caller's promise.
                None => TensorPlace::new(unsafe { std::slice::from_raw_parts_mut(start, len) }),
                Some(at) => {
                    let copy = &mut self.copies[at..at + len.next_multiple_of(ALIGN)];
                    // SAFETY: the caller's promise.
                    copy[..len].copy_from_slice(unsafe { std::slice::from_raw_parts(start, len) });
                    TensorPlace::new(copy)
                }
            };
            self.places.push(place);
        }
        &self.places
    }

    /// Floats of the copies.
    pub(super) fn len(&self) -> usize {
        self.copies.len()
    }

    /// The places that [`Padding::places`] gave last.
    pub(super) fn filled(&self) -> &[TensorPlace] {
        &self.places
    }

    /// Writes the copies back.
    pub(super) fn write_back(&self, tensors: &mut [&mut [f32]]) {
        for (tensor, at) in tensors.iter_mut().zip(&self.at) {
            if let Some(at) = *at {
                let len = tensor.len();
                tensor.copy_from_slice(&self.copies[at..at + len]);
            }
        }
    }

    /// Sets what is not finite, or beyond the range of a tensor, to zero in the copies of all tensors; how many there were.
    pub(super) fn zero_beyond(&mut self, largest: impl Fn(usize) -> f32) -> usize {
        let mut count = 0;
        for (i, copy) in self.all_copies() {
            let bound = largest(i);
            for x in copy.iter_mut().filter(|x| x.is_nan() || x.abs() > bound) {
                *x = 0.0;
                count += 1;
            }
        }
        count
    }

    /// Scales copies of tensors beyond their range down to it, by powers of two; how many there were.
    pub(super) fn hold(&mut self, cpu: Cpu, bound: impl Fn(usize) -> f32) -> usize {
        let mut count = 0;
        for (i, copy) in self.all_copies() {
            let factor = factor_to(bound(i), largest(cpu, copy));
            if factor < 1.0 {
                copy.iter_mut().for_each(|x| *x *= factor);
                count += 1;
            }
        }
        count
    }

    /// The copies of all tensors, each with the tensor's number.
    fn all_copies(&mut self) -> impl Iterator<Item = (usize, &mut [f32])> {
        let ends = self.at.iter().skip(1).map(|at| at.unwrap_or(0)).chain([self.copies.len()]);
        let mut rest = &mut self.copies[..];
        let mut start = 0;
        let copies = ends.enumerate().map(move |(i, end)| {
            let (copy, others) = std::mem::take(&mut rest).split_at_mut(end - start);
            (rest, start) = (others, end);
            (i, copy)
        });
        copies.collect::<Vec<_>>().into_iter()
    }
}
