//! Optimizers of inner problems: the contract all share, and the hand-designed ones.
//!
//! An [`Optimizer`] is an immutable value. [`Optimizer::bind`] joins it with theta (empty for a hand-designed one) and
//! the shapes of the parameters, and gives an [`Update`]: packed weights and scratch, no state. State is the
//! caller's: an [`OptimizerState`] whose arrays are named by [`Optimizer::state_layout`].

pub(crate) mod adam;
mod config;
mod momentum;
pub(crate) mod rounding;
mod sgd;

pub use config::{
    AdafacMlpConfig, Celo2Config, HierarchicalConfig, MlpLoptConfig, OldParams, OptimizerConfig, Variant,
    build_optimizer,
};
pub(crate) use config::{FEATURE_CLIP, TRAIN_LOSS_DECAY, VALID_LOSS_DECAY};

use crate::error::{Error, Result};
use crate::params::{ParamLayout, TensorSpec};
use crate::rng::Key;
use crate::simd::{AlignedVec, Cpu};

/// Losses an optimizer may look at in one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Losses {
    /// Loss of the minibatch that the gradient belongs to.
    pub train: f32,
    /// Loss of an inner-validation minibatch, at the steps that have one.
    pub valid: Option<f32>,
}

/// State of an optimizer for one set of parameters.
#[derive(Clone, Debug)]
pub struct OptimizerState {
    /// The arrays of [`Optimizer::state_layout`], padded.
    pub data: AlignedVec,
    /// Updates done, and for the library's hierarchical optimizer also validation calls.
    pub iteration: u64,
}

/// What an update costs, as published tables give it.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Cost {
    /// Floats of state a parameter of a large matrix.
    pub state_floats: usize,
    /// Multiply-adds a parameter in the per-parameter network, without folding.
    pub macs: usize,
}

/// How one leaf of theta starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum LeafInit {
    /// Zeros.
    Zero,
    /// All `value`.
    Constant(f32),
    /// Normal truncated to ±2, times this.
    TruncatedNormal(f64),
}

/// Leaves of theta with their initialisers.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ThetaSpec {
    /// Name, shape and initialiser of every leaf, in flat order.
    pub leaves: Vec<(TensorSpec, LeafInit)>,
}

impl ThetaSpec {
    /// Number of weights.
    pub fn len(&self) -> usize {
        self.leaves.iter().map(|(leaf, _)| leaf.len()).sum()
    }

    /// Whether the optimizer has no theta.
    pub fn is_empty(&self) -> bool {
        self.leaves.is_empty()
    }

    /// Draws theta, flat.
    pub fn init(&self, key: Key) -> Vec<f32> {
        let mut theta = vec![0.0; self.len()];
        let mut rest = &mut theta[..];
        for (i, (leaf, init)) in self.leaves.iter().enumerate() {
            let (out, tail) = rest.split_at_mut(leaf.len());
            rest = tail;
            match *init {
                LeafInit::Zero => {}
                LeafInit::Constant(value) => out.fill(value),
                LeafInit::TruncatedNormal(scale) => {
                    key.fold(i as u64).fill_truncated_normal(out);
                    out.iter_mut().for_each(|x| *x = (f64::from(*x) * scale) as f32);
                }
            }
        }
        theta
    }

    /// The slice of flat `theta` that holds leaf `name`.
    /// # Panics
    /// If there is no such leaf or theta is too short: a bug of the caller, which checked the length.
    pub(crate) fn leaf<'a>(&self, theta: &'a [f32], name: &str) -> &'a [f32] {
        let mut at = 0;
        for (leaf, _) in &self.leaves {
            if leaf.name == name {
                return &theta[at..at + leaf.len()];
            }
            at += leaf.len();
        }
        panic!("theta has no leaf `{name}`")
    }

    /// Checks a flat theta's length.
    /// # Errors
    /// `ShapeMismatch` if it is not this spec's.
    pub(crate) fn check(&self, theta: &[f32]) -> Result<()> {
        if theta.len() == self.len() {
            return Ok(());
        }
        Err(Error::shape(format!("theta: expected {} weights, got {}", self.len(), theta.len())))
    }
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
    fn bind(&self, theta: &[f32], params: &ParamLayout) -> Result<Box<dyn Update>>;

    /// What a step costs.
    fn cost(&self) -> Cost;

    /// Inner steps from one inner-validation loss to the next; `None` if the rule never looks at one.
    fn valid_every(&self) -> Option<u64>;
}

/// A rule bound to theta and shapes, with its scratch.
pub trait Update: Send {
    /// Writes the first state; `state.data` is all zeros before.
    fn init(&mut self, params: &[f32], state: &mut OptimizerState);

    /// One step: `params` and `state` in place. All arrays are padded; `grads` may be overwritten.
    fn step(
        &mut self,
        cpu: Cpu,
        state: &mut OptimizerState,
        params: &mut [f32],
        grads: &mut [f32],
        losses: Losses,
    );
}

/// The zeroed state that `optimizer` needs for `params`, before [`Update::init`].
pub fn empty_state(optimizer: &dyn Optimizer, params: &ParamLayout) -> OptimizerState {
    let len = optimizer.state_layout(params).map_or(0, |layout| layout.padded_len());
    OptimizerState { data: AlignedVec::zeros(len), iteration: 0 }
}
