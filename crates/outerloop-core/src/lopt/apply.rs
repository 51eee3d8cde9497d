//! The output form that the learned optimizers share.

use super::{BLOCK, STRIDE};
use crate::simd::{Kernel, Simd, exp};

/// p ← p − direction·exp(exp_mult·magnitude)·step_mult.
pub(super) struct ApplyStep<'a> {
    pub(super) params: &'a mut [f32],
    pub(super) direction: &'a [f32],
    pub(super) magnitude: &'a [f32],
    pub(super) exp_mult: f32,
    pub(super) step_mult: f32,
}

impl Kernel for ApplyStep<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let len = self.params.len();
        assert!(len <= BLOCK && self.direction.len() >= len && self.magnitude.len() >= len);
        let (exp_mult, step_mult) = (s.splat(self.exp_mult), s.splat(self.step_mult));
        for at in (0..len).step_by(S::WIDTH) {
            let n = (len - at).min(S::WIDTH);
            // SAFETY: `n` elements remain in all three.
            unsafe {
                let scale = exp(s, s.mul(exp_mult, s.load_first(self.magnitude.as_ptr().add(at), n)));
                let step = s.mul(s.mul(s.load_first(self.direction.as_ptr().add(at), n), scale), step_mult);
                let p = self.params.as_mut_ptr().add(at);
                s.store_first(p, s.sub(s.load_first(p, n), step), n);
            }
        }
    }
}

/// `out` = direction·exp(exp_mult·magnitude) from a network's outputs, rows [`STRIDE`] apart; the direction alone where
/// `exp_mult` is 0.
pub(super) struct Direction<'a> {
    pub(super) outputs: &'a [f32],
    pub(super) exp_mult: f32,
    pub(super) out: &'a mut [f32],
}

impl Kernel for Direction<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { outputs, exp_mult, out } = self;
        if exp_mult == 0.0 {
            let len = out.len();
            out.copy_from_slice(&outputs[..len]);
            return;
        }
        let (direction, magnitude) = outputs.split_at(STRIDE);
        assert!(direction.len() >= out.len() && magnitude.len() >= out.len());
        for at in (0..out.len()).step_by(S::WIDTH) {
            let n = (out.len() - at).min(S::WIDTH);
            // SAFETY: `n` elements remain in all three.
            unsafe {
                let scale = exp(s, s.mul(s.splat(exp_mult), s.load_first(magnitude.as_ptr().add(at), n)));
                let d = s.mul(s.load_first(direction.as_ptr().add(at), n), scale);
                s.store_first(out.as_mut_ptr().add(at), d, n);
            }
        }
    }
}
