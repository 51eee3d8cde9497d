//! Celo2: a tiny per-parameter MLP whose directions are orthogonalised and normalised; vectors take Adam.
//!
//! # References
//! Moudgil, Knyazev, Belilovsky 2026, "Celo2: towards learned optimization free lunch", arXiv:2602.19142. Reference
//! implementation: amoudgl/celo, celo/optimizers/celo2.py, 66d9761. Celo2-base is the same without orthogonalisation and
//! without Adam. Differences: normalisers and everything constant over a row or column are folded into the first layer
//! (rounding only); there are always two hidden layers. Left out are options that are off by default there.

use super::bound::{AnyWidth, Bound, PublishedWidth};
use crate::error::Result;
use crate::lopt::factored::DECAYS;
use crate::lopt::factored_rule::state_arrays;
use crate::lopt::velo_features::GROUPS;
use crate::optim::checks::{
    at_least_0, expect, fraction, point_9, point_95, positive, size, thousandth, yes,
};
use crate::optim::{Config, Cost, LeafInit, Needs, Optimizer, Overwrites, Theta, ThetaSpec, Update};
use crate::params::{ParamLayout, TensorSpec};
use regex::Regex;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Width of both hidden layers of the published weights, whose kernels know it.
pub(super) const PUBLISHED_HIDDEN: usize = 8;
/// Outputs of the network; the third has no use.
pub(super) const OUTPUTS: usize = 3;

/// Options of Celo2. Celo2-base is `orthogonalize: false` with `adamPattern: null`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Celo2Config {
    /// Width of both hidden layers, 1 to 1024. Published weights have 8, which is the fastest.
    #[serde(default = "published_hidden")]
    pub hidden: usize,
    /// Learning rate, above 0: the root mean square of a learned step.
    #[serde(default = "thousandth")]
    pub step_mult: f64,
    /// Factor of the second output inside the exponential, at least 0. At 0 that output has no effect.
    #[serde(default)]
    pub exp_mult: f64,
    /// Decay of all parameters in units of their learning rate, at least 0.
    #[serde(default)]
    pub weight_decay: f64,
    /// Whether directions of tensors of rank 2 and more are orthogonalised.
    #[serde(default = "yes")]
    pub orthogonalize: bool,
    /// Tensors whose name this regular expression finds take Adam instead of the learned rule; `null`: none.
    #[serde(default = "adam_pattern")]
    pub adam_pattern: Option<String>,
    /// Adam's learning rate in units of `stepMult`, above 0.
    #[serde(default = "twenty")]
    pub adam_mult: f64,
    /// Decay of Adam's mean, in [0, 1).
    #[serde(default = "point_9")]
    pub adam_beta1: f64,
    /// Decay of Adam's mean square, in [0, 1).
    #[serde(default = "point_95")]
    pub adam_beta2: f64,
    /// Whether Adam's moments are divided by 1 − βᵗ.
    #[serde(default)]
    pub adam_bias_correction: bool,
}

fn published_hidden() -> usize {
    PUBLISHED_HIDDEN
}

fn twenty() -> f64 {
    20.0
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field")]
fn adam_pattern() -> Option<String> {
    Some(r"(^|/)b$|bias|embed".into())
}

impl Config for Celo2Config {
    fn checked(self) -> Result<Self> {
        size("hidden", self.hidden, 1024)?;
        positive("stepMult", self.step_mult)?;
        at_least_0("expMult", self.exp_mult)?;
        at_least_0("weightDecay", self.weight_decay)?;
        positive("adamMult", self.adam_mult)?;
        fraction("adamBeta1", self.adam_beta1)?;
        fraction("adamBeta2", self.adam_beta2)?;
        let is_pattern = self.adam_pattern.as_deref().is_none_or(|p| Regex::new(p).is_ok());
        let range = "null or a regular expression without look-around";
        expect(is_pattern, "adamPattern", range, &self.adam_pattern)?;
        Ok(self)
    }

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
