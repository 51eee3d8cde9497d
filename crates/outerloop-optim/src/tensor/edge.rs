//! Registers at the end of an array, where fewer elements are left than a register has.

use crate::simd::Simd;

/// # Safety
/// `p` is readable for `live <= WIDTH` floats.
#[inline(always)]
pub(crate) unsafe fn load<S: Simd>(s: S, p: *const f32, live: usize) -> S::V {
    // SAFETY: the caller's promise.
    unsafe { if live == S::WIDTH { s.load(p) } else { s.load_first(p, live) } }
}

/// # Safety
/// `p` is writable for `live <= WIDTH` floats.
#[inline(always)]
pub(crate) unsafe fn store<S: Simd>(s: S, p: *mut f32, x: S::V, live: usize) {
    // SAFETY: the caller's promise.
    unsafe { if live == S::WIDTH { s.store(p, x) } else { s.store_first(p, x, live) } }
}
