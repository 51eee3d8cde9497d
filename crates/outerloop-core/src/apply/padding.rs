//! Tensors of a caller as kernels want them: whole groups of lanes.

use crate::optim::TensorPlace;
use crate::params::{ALIGN, ParamLayout};
use crate::simd::AlignedVec;

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

    /// Sets what is not finite to zero in the copies of all tensors.
    pub(super) fn zero_non_finite(&mut self) -> usize {
        let mut count = 0;
        for x in self.copies.iter_mut().filter(|x| !x.is_finite()) {
            *x = 0.0;
            count += 1;
        }
        count
    }
}
