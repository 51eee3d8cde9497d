//! Celo2: a tiny per-parameter MLP whose directions are orthogonalised and normalised; vectors take Adam.
//!
//! # References
//! Moudgil, Knyazev, Belilovsky 2026, "Celo2: towards learned optimization free lunch", arXiv:2602.19142. Reference
//! implementation: amoudgl/celo, celo/optimizers/celo2.py, 66d9761. Celo2-base is the same without orthogonalisation and
//! without Adam. Differences: normalisers and everything constant over a row or column are folded into the first layer
//! (rounding only); there are always two hidden layers. Left out are options that are off by default there.

use super::bound::{AnyWidth, Bound, PublishedWidth};
use crate::error::Result;
use crate::lopt::engine::factored::DECAYS;
use crate::lopt::engine::factored_rule::state_arrays;
use crate::lopt::engine::velo_features::GROUPS;
use crate::optim::options::options;
use crate::optim::{Config, Cost, LeafInit, Needs, Optimizer, Overwrites, Theta, ThetaSpec, Update};
use crate::params::{ParamLayout, TensorSpec};
use regex::Regex;
use std::sync::Arc;

/// Width of both hidden layers of the published weights, whose kernels know it.
pub(super) const PUBLISHED_HIDDEN: usize = 8;
/// Outputs of the network; the third has no use.
pub(super) const OUTPUTS: usize = 3;

options! {
    /// Celo2 (Moudgil et al. 2026, arXiv:2602.19142): a tiny per-parameter MLP with normalised directions. Celo2-base
    /// is `orthogonalize: false` with `adamPattern: null`.
    pub struct Celo2Config {
        /// Width of both hidden layers. Published weights have 8, which is the fastest.
        hidden: usize = 8 => Range::integer(1, 1024);
        /// Learning rate: the root mean square of a learned step.
        step_mult: f64 = 0.001 => Range::Positive;
        /// Factor of the second output inside the exponential; at 0 that output has no effect.
        exp_mult: f64 = 0.0 => Range::NonNegative;
        /// Decay of all parameters, in units of their learning rate.
        weight_decay: f64 = 0.0 => Range::NonNegative;
        /// Whether directions of tensors of rank 2 and more are orthogonalised (Newton–Schulz).
        orthogonalize: bool = true => Range::Flag;
        /// Tensors whose name this regular expression finds take Adam instead of the learned rule; null: none.
        adam_pattern: Option<String> = Some(r"(^|/)b$|bias|embed".into()) => Range::Pattern;
        /// Adam's learning rate in units of `stepMult`.
        adam_mult: f64 = 20.0 => Range::Positive;
        /// Decay of Adam's mean.
        adam_beta1: f64 = 0.9 => Range::Fraction;
        /// Decay of Adam's mean square.
        adam_beta2: f64 = 0.95 => Range::Fraction;
        /// Whether Adam's moments are divided by 1 − βᵗ.
        adam_bias_correction: bool = false => Range::Flag;
    }
}

impl Config for Celo2Config {
    fn build(self) -> Result<Arc<dyn Optimizer>> {
        Ok(Arc::new(Celo2::new(self)))
    }
}

/// The optimizer as an immutable value.
pub struct Celo2 {
    pub(super) config: Celo2Config,
    pub(super) theta: ThetaSpec,
    adam: Option<Regex>,
}

impl Celo2 {
    /// With the given options; their ranges and the pattern are the caller's to check: a wrong pattern matches nothing.
    pub fn new(config: Celo2Config) -> Self {
        let width = config.hidden;
        // All groups together are one layer of 30 inputs.
        let first = LeafInit::TruncatedNormal(1.0 / 30f64.sqrt());
        let hidden = LeafInit::TruncatedNormal(1.0 / (width as f64).sqrt());
        let leaf = |name: &str, shape: &[usize], init| {
            (TensorSpec::new(format!("ff_mod_stack/~/{name}"), shape), init)
        };
        let mut leaves: Vec<_> = [("b0", width), ("b1", width), ("b2", OUTPUTS)]
            .map(|(name, len)| leaf(name, &[len], LeafInit::Zero))
            .into();
        // Published files are in the order of the names as text.
        let mut groups: Vec<_> = GROUPS.iter().enumerate().map(|(i, n)| (format!("w0__{i}"), *n)).collect();
        groups.sort();
        leaves.extend(groups.iter().map(|(name, channels)| leaf(name, &[*channels, width], first)));
        leaves.push(leaf("w1", &[width, width], hidden));
        leaves.push(leaf("w2", &[width, OUTPUTS], hidden));
        let adam = config.adam_pattern.as_deref().and_then(|pattern| Regex::new(pattern).ok());
        Self { config, theta: ThetaSpec { leaves }, adam }
    }

    /// Whether a tensor takes Adam's rule.
    pub(super) fn is_adam(&self, name: &str) -> bool {
        self.adam.as_ref().is_some_and(|pattern| pattern.is_match(name))
    }
}

impl Optimizer for Celo2 {
    fn theta_spec(&self) -> &ThetaSpec {
        &self.theta
    }

    fn state_layout(&self, params: &ParamLayout) -> Option<ParamLayout> {
        let arrays = |spec: &TensorSpec| {
            if self.is_adam(&spec.name) {
                let array = |name| TensorSpec::new(format!("{name}/{}", spec.name), [spec.len()]);
                return vec![array("momentum0"), array("square")];
            }
            state_arrays(spec, DECAYS)
        };
        ParamLayout::new(params.specs().iter().flat_map(arrays).collect()).ok()
    }

    fn bind(&self, theta: Theta, params: &ParamLayout) -> Result<Box<dyn Update>> {
        self.theta.check(&theta)?;
        Ok(match self.config.hidden {
            PUBLISHED_HIDDEN => Box::new(Bound::<PublishedWidth>::new(self, &theta, params)),
            _ => Box::new(Bound::<AnyWidth>::new(self, &theta, params)),
        })
    }

    fn cost(&self) -> Cost {
        let h = self.config.hidden;
        Cost { state_floats: 4, macs: 30 * h + h * h + h * OUTPUTS }
    }

    fn needs(&self) -> Needs {
        Needs { overwrites_grads: Overwrites::Above(1000.0), ..Needs::default() }
    }
}
