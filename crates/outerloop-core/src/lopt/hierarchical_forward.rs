//! The per-parameter network of the hierarchical optimizer, over a tensor or the blocks that threads share it in.

use super::BLOCK;
use super::columns::Sink;
use super::hierarchical_features::{ArrayPointers, FillBlock, MAX_CHANNELS};
use super::mlp::{ParamMlp, Scratch, Start};
use crate::simd::Cpu;
use std::ops::Range;

/// The per-parameter network on a part of a tensor.
pub(super) struct Forward<'a> {
    pub(super) cpu: Cpu,
    pub(super) mlp: &'a ParamMlp,
    pub(super) arrays: ArrayPointers<'a>,
    pub(super) bias: &'a [f32],
    pub(super) scale: &'a [f32; MAX_CHANNELS],
    pub(super) clip: Option<f32>,
    pub(super) exp_mult: f32,
    pub(super) step_mult: f32,
}

impl Forward<'_> {
    /// Steps the elements of `part`; if given, `lanes` get the sums of the second hidden layer.
    pub(super) fn run(&self, scratch: &mut Scratch, part: Range<usize>, mut lanes: Option<&mut [f32]>) {
        let Self { cpu, mlp, arrays, bias, scale, clip, exp_mult, step_mult } = *self;
        if let Some(lanes) = &mut lanes {
            lanes.fill(0.0);
        }
        for at in part.clone().step_by(BLOCK) {
            let n = (part.end - at).min(BLOCK);
            cpu.run(FillBlock { arrays, at, n, scale, clip, features: &mut scratch.features });
            // SAFETY: the arrays are borrowed, and other parts do not meet this one.
            let mut sink = unsafe { Sink::step(arrays.params.add(at), n, exp_mult, step_mult) };
            mlp.run(cpu, scratch, Start::Bias(bias), lanes.as_deref_mut(), &mut sink);
        }
    }
}
