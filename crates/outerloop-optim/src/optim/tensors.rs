//! Parameters or gradients of all tensors, wherever they lie.

use crate::params::ParamLayout;
use std::marker::PhantomData;
use std::ops::Range;

/// Where one tensor lies: whole groups of [`crate::params::ALIGN`] floats, those after its last element zero.
#[derive(Clone, Copy, Debug)]
pub struct TensorPlace {
    start: *mut f32,
    len: usize,
}

// SAFETY: it is an address; whoever reads or writes there makes the promise ([`Tensors::separate`]).
unsafe impl Send for TensorPlace {}
// SAFETY: as above.
unsafe impl Sync for TensorPlace {}

impl TensorPlace {
    /// The place of a padded tensor.
    pub fn new(tensor: &mut [f32]) -> Self {
        Self { start: tensor.as_mut_ptr(), len: tensor.len() }
    }
}

/// The padded tensors of a layout: in one array, as a lane has them, or each in its own, as a caller of the apply API has
/// them.
pub struct Tensors<'a> {
    joint: TensorPlace,
    separate: Option<&'a [TensorPlace]>,
    life: PhantomData<&'a mut [f32]>,
}

// SAFETY: it borrows the arrays for itself alone, as a mutable slice does.
unsafe impl Send for Tensors<'_> {}

impl<'a> Tensors<'a> {
    /// All in one padded array.
    pub fn joint(array: &'a mut [f32]) -> Self {
        Self { joint: TensorPlace::new(array), separate: None, life: PhantomData }
    }

    /// Each in its own place, in leaf order.
    /// # Safety
    /// The places are not used otherwise for `'a`, and do not meet.
    pub unsafe fn separate(places: &'a [TensorPlace]) -> Self {
        let nowhere = TensorPlace { start: std::ptr::NonNull::dangling().as_ptr(), len: 0 };
        Self { joint: nowhere, separate: Some(places), life: PhantomData }
    }

    /// The array of all, if it is one.
    pub fn as_joint(&mut self) -> Option<&mut [f32]> {
        // SAFETY: `joint` borrowed the array for `'a`.
        self.separate.is_none().then(|| unsafe { slice(self.joint) })
    }

    /// Tensor `i`, whose padded range in the layout is `range`.
    pub fn get(&mut self, i: usize, range: &Range<usize>) -> &mut [f32] {
        match self.separate {
            Some(places) => {
                assert!(places[i].len == range.len());
                // SAFETY: `separate` was promised that nobody else uses the place.
                unsafe { slice(places[i]) }
            }
            // SAFETY: `joint` borrowed the array for `'a`.
            None => unsafe { &mut slice(self.joint)[range.clone()] },
        }
    }

    /// Copies all into one padded array.
    pub(crate) fn read(&mut self, layout: &ParamLayout, to: &mut [f32]) {
        match self.as_joint() {
            Some(from) => to.copy_from_slice(from),
            None => (0..layout.num_tensors()).for_each(|i| {
                let range = layout.padded_range(i);
                to[range.clone()].copy_from_slice(self.get(i, &range));
            }),
        }
    }

    /// Copies all from one padded array.
    pub(crate) fn write(&mut self, layout: &ParamLayout, from: &[f32]) {
        match self.as_joint() {
            Some(to) => to.copy_from_slice(from),
            None => (0..layout.num_tensors()).for_each(|i| {
                let range = layout.padded_range(i);
                self.get(i, &range).copy_from_slice(&from[range.clone()]);
            }),
        }
    }

    /// The same for a shorter time.
    pub fn reborrow(&mut self) -> Tensors<'_> {
        Tensors { joint: self.joint, separate: self.separate, life: PhantomData }
    }
}

/// # Safety
/// The place is writable and not used otherwise for `'a`.
unsafe fn slice<'a>(place: TensorPlace) -> &'a mut [f32] {
    // SAFETY: the caller's promise.
    unsafe { std::slice::from_raw_parts_mut(place.start, place.len) }
}
