//! Optimizers of inner problems: the contract all share, and the hand-designed ones.
//!
//! An [`Optimizer`] is an immutable value. [`Optimizer::bind`] joins it with theta (empty for a hand-designed one) and
//! the shapes of the parameters, and gives an [`Update`]: packed weights and scratch, no state. State is the
//! caller's: an [`OptimizerState`] whose arrays are named by [`Optimizer::state_layout`].
#![allow(clippy::needless_range_loop, reason = "arrays of registers are walked by index; see crate::simd")]

mod adabelief;
mod adafactor;
mod adagrad;
mod adam;
mod adam8p;
mod adamw;
pub(crate) mod checks;
mod config;
mod cosine;
pub(crate) mod elementwise;
mod fromage;
mod grad_range;
mod lamb;
mod lars;
mod lion;
pub(crate) mod mean_decay;
mod momentum;
mod muon;
mod nadamw;
pub(crate) mod newton_schulz;
pub mod options;
mod radam;
mod rmsprop;
pub(crate) mod rounding;
mod sgd;
mod shampoo;
mod sm3;
pub mod squares;
mod state;
mod tensors;
pub(crate) mod tensorwise;
mod theta;
mod wrappers;
mod yogi;

pub use adabelief::AdaBelief;
pub use adafactor::Adafactor;
pub use adagrad::AdaGrad;
pub use adam::Adam;
pub(crate) use adam::Moments;
pub use adam8p::Adam8p;
pub use adamw::AdamW;
pub(crate) use config::Config;
pub use fromage::Fromage;
pub use grad_range::{GradRange, factor_to};
pub use lamb::Lamb;
pub use lars::Lars;
pub use lion::Lion;
pub use momentum::Momentum;
pub use muon::{Muon, MuonDialect};
pub use nadamw::NAdamW;
pub use radam::RAdam;
pub use rmsprop::RmsProp;
pub use sgd::Sgd;
pub use shampoo::Shampoo;
pub use sm3::Sm3;
pub use state::{OptimizerState, StateMut, empty_state};
pub use tensors::{TensorPlace, Tensors};
pub(crate) use theta::Leaf;
pub use theta::{LeafInit, Theta, ThetaSpec};
pub use wrappers::{
    Accumulate, Breakpoint, ClipBy, ClipGradients, DecayKind, Graft, SUM, Scaled, Schedule, StepFactor, Sum,
    TensorFactor, WeightDecay,
};
pub use yogi::Yogi;

use crate::error::Result;
use crate::params::ParamLayout;
use crate::simd::Workers;

/// Losses an optimizer may look at in one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Losses {
    /// Loss of the minibatch that the gradient belongs to.
    pub train: f32,
    /// Loss of an inner-validation minibatch, at the steps that have one.
    pub valid: Option<f32>,
}

/// What an update costs, as published tables give it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Floats of state a parameter of a large matrix.
    pub state_floats: usize,
    /// Multiply-adds a parameter in the per-parameter network, without folding.
    pub macs: usize,
}

/// What an optimizer wants to be told.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Needs {
    /// [`Losses::train`]: without it a step is meaningless.
    pub loss: bool,
    /// [`OptimizerState::num_steps`], likewise.
    pub num_steps: bool,
    /// What becomes of the gradients.
    pub overwrites_grads: Overwrites,
    /// Steps from one validation loss to the next; `None` if the rule never looks at one.
    pub valid_every: Option<u64>,
    /// Sizes of gradients at which its state stays finite.
    pub grad_range: GradRange,
}

/// Whether an optimizer writes into the gradients that it is given.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Overwrites {
    /// They are only read.
    #[default]
    Never,
    /// Elements beyond ± this are set to it; the others are only read.
    Above(f32),
    /// They are scratch.
    Always,
}

/// Factors of a step's length, one a tensor.
#[derive(Clone, Copy, Debug)]
pub struct Scale<'a> {
    factor: f32,
    tensors: Option<&'a [f32]>,
}

impl<'a> Scale<'a> {
    /// Steps as the rule makes them.
    pub const ONE: Scale<'static> = Scale { factor: 1.0, tensors: None };

    /// These factors times another.
    #[must_use]
    pub fn times(self, factor: f32) -> Self {
        Self { factor: self.factor * factor, ..self }
    }

    /// The factors of the tensors, in leaf order, instead of those that were.
    #[must_use]
    pub fn by_tensor(self, tensors: &'a [f32]) -> Self {
        Self { tensors: Some(tensors), ..self }
    }

    /// The factor of tensor `i`.
    pub fn of(self, i: usize) -> f32 {
        self.tensors.map_or(self.factor, |t| self.factor * t[i])
    }

    /// The factor of all tensors, if it is one.
    pub fn uniform(self) -> Option<f32> {
        self.tensors.is_none().then_some(self.factor)
    }
}

/// What one step works on. All arrays are padded.
pub struct Step<'a> {
    /// Who computes it.
    pub workers: Workers<'a>,
    /// In place.
    pub state: StateMut<'a>,
    /// In place.
    pub params: Tensors<'a>,
    /// May be overwritten if [`Needs::overwrites_grads`].
    pub grads: Tensors<'a>,
    /// At `params`.
    pub losses: Losses,
    /// Factors of the step.
    pub scale: Scale<'a>,
}

/// An update rule, learned or not.
pub trait Optimizer: Send + Sync {
    /// Leaves of theta; empty for a hand-designed optimizer.
    fn theta_spec(&self) -> &ThetaSpec;

    /// Arrays of the state for parameters of the given shapes; `None` if there are none. An array of two axes belongs to
    /// a matrix and is its transpose in memory.
    fn state_layout(&self, params: &ParamLayout) -> Option<ParamLayout>;

    /// Joins the rule with `theta` and parameter shapes.
    /// # Errors
    /// `ShapeMismatch` if theta is not of this optimizer.
    fn bind(&self, theta: Theta, params: &ParamLayout) -> Result<Box<dyn Update>>;

    /// What a step costs.
    fn cost(&self) -> Cost;

    /// What it wants to be told.
    fn needs(&self) -> Needs;
}

/// A rule bound to theta and shapes, with its scratch.
pub trait Update: Send {
    /// Writes the first state; `state.data` is all zeros before.
    fn init(&mut self, params: &[f32], state: StateMut<'_>);

    /// One step.
    fn step(&mut self, step: Step<'_>);

    /// A step with the gradients that calls of `step` have gathered and not used yet, as if the last one had completed them.
    /// Gradients here are zeros, and there are no losses. Says whether anything was gathered; a rule that gathers nothing,
    /// as almost all, changes nothing.
    fn flush(&mut self, _step: Step<'_>) -> bool {
        false
    }
}
