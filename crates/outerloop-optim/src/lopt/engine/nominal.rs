//! A step of a network with four outputs: its own direction, a nominal one, and a decay of the parameters.

use super::columns::Sink;
use super::features::{Features, Pointers};
use crate::simd::{Kernel, Simd, exp, rsqrt};
use crate::tensor::{load, store};

/// Added inside the reciprocal root of the second moment.
const SECOND_MOMENT_FLOOR: f32 = 1e-6;

/// Factors of the step's parts.
#[derive(Clone, Copy, Debug)]
pub(in crate::lopt) struct NominalScales {
    /// Factor of the outputs inside the exponentials.
    pub(in crate::lopt) exp_mult: f32,
    /// Of the network's direction.
    pub(in crate::lopt) step_mult: f32,
    /// Of the nominal direction.
    pub(in crate::lopt) nominal_lr: f32,
    /// Of the parameter.
    pub(in crate::lopt) weight_decay: f32,
    /// Whether the third output is the nominal direction's magnitude, which is 1 otherwise.
    pub(in crate::lopt) has_nominal_magnitude: bool,
    /// Whether the fourth output is the decay's magnitude, which is 0 otherwise.
    pub(in crate::lopt) has_decay_magnitude: bool,
}

/// p ← p·(1 − weight_decay·exp(exp_mult·o₃)) − step_mult·d − nominal_lr·exp(exp_mult·o₂)·ĝ for the d, o₂ and o₃ that the
/// network wrote; ĝ = (mean of the momenta)·rsqrt(v + 1e-6).
pub(in crate::lopt) struct NominalStep<'a> {
    arrays: Pointers<'a>,
    momenta: usize,
    len: usize,
    /// d, o₂ and o₃, `plane` apart.
    outputs: *const f32,
    plane: usize,
    scales: NominalScales,
}

impl<'a> NominalStep<'a> {
    /// For the elements of a tensor whose second moment follows its momenta, and whose four outputs went to `sink`.
    pub(in crate::lopt) fn new<F: Features>(
        arrays: Pointers<'a>,
        sink: &Sink<'a>,
        scales: NominalScales,
    ) -> Self {
        let (len, (outputs, plane)) = (sink.len(), sink.planes());
        assert!(F::SQUARES > 0 && sink.is_for_four() && len <= arrays.padded);
        Self { arrays, momenta: F::MOMENTA, len, outputs, plane, scales }
    }
}

impl Kernel for NominalStep<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { arrays, momenta, len, outputs, plane, scales } = self;
        let mult = s.splat(scales.exp_mult);
        let constant = exp(s, mult);
        let share = s.splat(1.0 / momenta as f32);
        for at in (0..len).step_by(S::WIDTH) {
            let live = (len - at).min(S::WIDTH);
            // SAFETY: `live` elements remain in every array, as `new` checked, and plane, as the sink did.
            unsafe {
                let p = load(s, arrays.params.add(at), live);
                let mut mean = s.splat(0.0);
                for k in 0..momenta {
                    mean = s.add(mean, load(s, arrays.state.add(k * arrays.padded + at), live));
                }
                let v = load(s, arrays.state.add(momenta * arrays.padded + at), live);
                let root = rsqrt(s, s.add(v, s.splat(SECOND_MOMENT_FLOOR)));
                let direction = s.mul(s.mul(mean, share), root);
                let mut nominal = constant;
                if scales.has_nominal_magnitude {
                    nominal = exp(s, s.mul(mult, load(s, outputs.add(plane + at), live)));
                }
                let mut decay = s.splat(1.0);
                if scales.has_decay_magnitude {
                    decay = exp(s, s.mul(mult, load(s, outputs.add(2 * plane + at), live)));
                }
                let learned = load(s, outputs.add(at), live);
                let mut step = s.mul(s.splat(scales.step_mult), learned);
                step = s.fma(s.mul(s.splat(scales.nominal_lr), nominal), direction, step);
                step = s.fma(s.mul(s.splat(scales.weight_decay), decay), p, step);
                store(s, arrays.params.add(at), s.sub(p, step), live);
            }
        }
    }
}
