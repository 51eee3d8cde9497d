//! A learned optimizer that is a recurrent network per parameter, at work.

use super::param_rnn::{Cell, INPUTS, Layer, Move, ParamArrays, ParamRnn, Preprocess};
use crate::optim::{StateMut, Step, Update};
use crate::params::ParamLayout;
use crate::simd::AlignedVec;
use std::ops::Range;

/// Weights of a recurrent network per parameter.
pub(super) struct Weights {
    pub(super) cell: Cell,
    pub(super) hidden: usize,
    pub(super) layers: Vec<Layer>,
    /// Output layer, `[hidden, outputs]`.
    pub(super) w: Vec<f32>,
    pub(super) b: Vec<f32>,
    /// What the arrays of the state hold at first, one number each; or nothing, and they are zero.
    pub(super) initial: Vec<f32>,
}

/// The optimizer bound to theta and shapes.
pub(super) struct Bound {
    /// Elements of every tensor, without its gap.
    tensors: Vec<Range<usize>>,
    rnn: ParamRnn,
    initial: Vec<f32>,
    step: Move,
}

impl Bound {
    /// With `log_range` as [`Preprocess`] has it.
    pub(super) fn new(weights: Weights, log_range: f64, step: Move, params: &ParamLayout) -> Self {
        let Weights { cell, hidden, layers, w, b, initial } = weights;
        let preprocess = Preprocess::new(log_range as f32);
        let mut rnn = ParamRnn { cell, hidden, layers, w, b, preprocess, scratch: vec![] };
        rnn.scratch.push(AlignedVec::zeros(rnn.scratch_len()));
        Self { tensors: (0..params.num_tensors()).map(|i| params.range(i)).collect(), rnn, initial, step }
    }
}

impl Update for Bound {
    fn init(&mut self, params: &[f32], state: StateMut<'_>) {
        for (array, &initial) in state.data.chunks_exact_mut(params.len()).zip(&self.initial) {
            for t in &self.tensors {
                array[t.clone()].fill(initial);
            }
        }
    }

    fn step(&mut self, step: Step<'_>) {
        let Step { workers, state, params, grads, scale, .. } = step;
        let mut arrays = ParamArrays { params, grads, state: state.data };
        for (i, t) in self.tensors.iter().enumerate() {
            self.rnn.run(workers, &mut arrays, t.clone(), self.step.times(scale.of(i)));
        }
        *state.iteration += 1;
    }
}

impl Move {
    /// With another factor of the step.
    fn times(self, factor: f32) -> Self {
        match self {
            Self::Add { step } => Self::Add { step: step * factor },
            Self::Subtract { step, exp_mult } => Self::Subtract { step: step * factor, exp_mult },
        }
    }
}

/// What a step of one parameter costs in multiply-adds.
pub(super) fn macs(cell: Cell, layers: usize, hidden: usize, outputs: usize) -> usize {
    let columns = cell.gates() * hidden;
    let inputs = |layer: usize| if layer == 0 { INPUTS } else { hidden };
    (0..layers).map(|layer| (inputs(layer) + hidden) * columns).sum::<usize>() + hidden * outputs
}
