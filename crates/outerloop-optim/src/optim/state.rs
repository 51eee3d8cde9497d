//! State of an optimizer for one set of parameters.

use super::Optimizer;
use crate::params::ParamLayout;
use crate::simd::AlignedVec;

/// Everything that an optimizer remembers.
#[derive(Clone, Debug)]
pub struct OptimizerState {
    /// The arrays of [`Optimizer::state_layout`], padded.
    pub data: AlignedVec,
    /// Updates done, and for the library's hierarchical optimizer also validation calls.
    pub iteration: u64,
    /// Updates that there will be; 0 if nobody said.
    pub num_steps: u64,
}

impl OptimizerState {
    /// The state as a step changes it.
    pub fn view(&mut self) -> StateMut<'_> {
        StateMut { data: &mut self.data, iteration: &mut self.iteration, num_steps: self.num_steps }
    }
}

/// An [`OptimizerState`], or the part of one that belongs to an optimizer inside another.
#[derive(Debug)]
pub struct StateMut<'a> {
    /// See [`OptimizerState::data`].
    pub data: &'a mut [f32],
    /// See [`OptimizerState::iteration`].
    pub iteration: &'a mut u64,
    /// See [`OptimizerState::num_steps`].
    pub num_steps: u64,
}

/// The zeroed state that `optimizer` needs for `params`, before [`super::Update::init`].
pub fn empty_state(optimizer: &dyn Optimizer, params: &ParamLayout, num_steps: u64) -> OptimizerState {
    let len = optimizer.state_layout(params).map_or(0, |layout| layout.padded_len());
    OptimizerState { data: AlignedVec::zeros(len), iteration: 0, num_steps }
}
