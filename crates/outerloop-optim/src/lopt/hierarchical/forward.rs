//! The per-parameter network of the hierarchical optimizer, over a tensor or the blocks that threads share it in.

use crate::lopt::engine::columns::{Columns, Sink, biases};
use crate::lopt::engine::hierarchical_features::{ArrayPointers, Limits, MAX_CHANNELS, OLD};
use crate::lopt::engine::mlp::{ParamMlp, Scratch};
use crate::simd::{Cpu, LANES, Simd};
use std::ops::Range;

/// The per-parameter network on a part of a tensor.
pub(in crate::lopt) struct Forward<'a> {
    pub(in crate::lopt) cpu: Cpu,
    pub(in crate::lopt) mlp: &'a ParamMlp,
    pub(in crate::lopt) arrays: ArrayPointers<'a>,
    pub(in crate::lopt) bias: &'a [f32],
    /// Normalisers and bound of the channels; without them the normalisers are in the weights.
    pub(in crate::lopt) limits: Option<Limits<'a>>,
    pub(in crate::lopt) exp_mult: f32,
    pub(in crate::lopt) step_mult: f32,
}

impl Forward<'_> {
    /// Steps the elements of `part`, which starts at a whole group of lanes; if given, `lanes` get the sums of the second
    /// hidden layer.
    pub(in crate::lopt) fn run(
        &self,
        scratch: &mut Scratch,
        part: Range<usize>,
        mut lanes: Option<&mut [f32]>,
    ) {
        let Self { cpu, mlp, arrays, bias, limits, exp_mult, step_mult } = *self;
        if let Some(lanes) = &mut lanes {
            lanes.fill(0.0);
        }
        assert!(part.start.is_multiple_of(LANES) && part.end <= arrays.len && bias.len() >= mlp.hidden);
        // SAFETY: the arrays are borrowed, other parts do not meet this one, and the network reads a register of parameters
        // before it takes their step.
        let mut sink = unsafe { Sink::step(arrays.params.add(part.start), part.len(), exp_mult, step_mult) };
        let (from, bias) = (part.start, bias.as_ptr());
        if let Some(limits) = limits {
            assert!(arrays.has_old());
            let columns = Channels::<true> { arrays, from, limits: Some(limits), bias };
            mlp.forward(cpu, scratch, columns, lanes, &mut sink);
        } else {
            assert!(!arrays.has_old());
            let columns = Channels::<false> { arrays, from, limits: None, bias };
            mlp.forward(cpu, scratch, columns, lanes, &mut sink);
        }
    }
}

/// The channels of a tensor's elements; those of the `PAPER`'s variant have old parameters and limits.
struct Channels<'a, const PAPER: bool> {
    arrays: ArrayPointers<'a>,
    /// Element of the first column.
    from: usize,
    limits: Option<Limits<'a>>,
    bias: *const f32,
}

impl<const PAPER: bool> Columns for Channels<'_, PAPER> {
    const RAW: usize = 0;
    const MADE: Option<usize> = Some(if PAPER { MAX_CHANNELS } else { OLD });
    const HIDDEN: Option<usize> = None;
    const OUTPUTS: usize = 2;
    const IS_SUMMED: bool = true;

    #[inline(always)]
    unsafe fn begin<S: Simd, const V: usize>(
        &mut self,
        s: S,
        at: usize,
        scratch: *mut f32,
    ) -> (*const f32, usize) {
        let limits = if PAPER { self.limits } else { None };
        // SAFETY: the columns exist, and the scratch has room for their registers.
        unsafe { self.arrays.channels::<S, V, PAPER>(s, self.from + at, scratch, limits) };
        (scratch, V * S::WIDTH)
    }

    #[inline(always)]
    unsafe fn starts<S: Simd, const R: usize, const V: usize>(
        &self,
        s: S,
        h: usize,
        _: usize,
    ) -> [[S::V; V]; R] {
        // SAFETY: the units exist.
        unsafe { biases(s, self.bias.add(h)) }
    }
}
