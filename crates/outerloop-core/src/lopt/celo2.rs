//! Celo2: a tiny per-parameter MLP whose directions are orthogonalised and normalised; vectors take Adam.
//!
//! # References
//! Moudgil, Knyazev, Belilovsky 2026, "Celo2: towards learned optimization free lunch", arXiv:2602.19142. Reference
//! implementation: amoudgl/celo, celo/optimizers/celo2.py, 66d9761. Celo2-base is the same without orthogonalisation and
//! without Adam. Differences: normalisers and everything constant over a row or column are folded into the first layer
//! (rounding only). Left out are options that are off by default there.

use super::celo2_bound::Bound;
use super::runs::runs_of;
use super::turned::state_shape;
use crate::error::Result;
use crate::optim::{Celo2Config, Cost, LeafInit, Optimizer, ThetaSpec, Update};
use crate::params::{ParamLayout, TensorSpec};
use regex::Regex;

/// Width of both hidden layers.
pub(super) const HIDDEN: usize = 8;
/// Outputs of the network; the third has no use.
pub(super) const OUTPUTS: usize = 3;
/// Channels of the fourteen groups of features.
const GROUPS: [usize; 14] = [1, 1, 1, 3, 1, 3, 1, 3, 1, 3, 3, 3, 3, 3];
/// Decays of momentum and of the factored second moment.
pub(super) const DECAYS: [f32; 3] = [0.9, 0.99, 0.999];

/// The optimizer as an immutable value.
pub struct Celo2 {
    pub(super) config: Celo2Config,
    pub(super) theta: ThetaSpec,
    adam: Option<Regex>,
}

impl Celo2 {
    /// With the given options; their ranges and the pattern are the caller's to check: a wrong pattern matches nothing.
    pub fn new(config: Celo2Config) -> Self {
        // All groups together are one layer of 30 inputs.
        let first = LeafInit::TruncatedNormal(1.0 / 30f64.sqrt());
        let hidden = LeafInit::TruncatedNormal(1.0 / (HIDDEN as f64).sqrt());
        let leaf = |name: &str, shape: &[usize], init| {
            (TensorSpec::new(format!("ff_mod_stack/~/{name}"), shape), init)
        };
        let mut leaves: Vec<_> = [("b0", HIDDEN), ("b1", HIDDEN), ("b2", OUTPUTS)]
            .map(|(name, len)| leaf(name, &[len], LeafInit::Zero))
            .into();
        // Published files are in the order of the names as text.
        let mut groups: Vec<_> = GROUPS.iter().enumerate().map(|(i, n)| (format!("w0__{i}"), *n)).collect();
        groups.sort();
        leaves.extend(groups.iter().map(|(name, channels)| leaf(name, &[*channels, HIDDEN], first)));
        leaves.push(leaf("w1", &[HIDDEN, HIDDEN], hidden));
        leaves.push(leaf("w2", &[HIDDEN, OUTPUTS], hidden));
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
        let mut arrays = vec![];
        for spec in params.specs() {
            let is_adam = self.is_adam(&spec.name);
            let mut add = |name: &str, count: usize, shape: &[usize]| {
                let array = |k| TensorSpec::new(format!("{name}{k}/{}", spec.name), shape);
                arrays.extend((0..count).map(array));
            };
            let shape = if is_adam { vec![spec.len()] } else { state_shape(&spec.shape) };
            add("momentum", if is_adam { 1 } else { DECAYS.len() }, &shape);
            add("square", 1, &shape);
            match runs_of(&spec.shape).1 {
                _ if is_adam => {}
                Some(f) => {
                    add("row", DECAYS.len(), &[f.row_len]);
                    add("col", DECAYS.len(), &[f.col_len]);
                }
                None => add("diagonal", DECAYS.len(), &shape),
            }
        }
        ParamLayout::new(arrays).ok()
    }

    fn bind(&self, theta: &[f32], params: &ParamLayout) -> Result<Box<dyn Update>> {
        self.theta.check(theta)?;
        Ok(Box::new(Bound::new(self, theta, params)))
    }

    fn cost(&self) -> Cost {
        Cost { state_floats: 4, macs: 30 * HIDDEN + HIDDEN * HIDDEN + HIDDEN * OUTPUTS }
    }

    fn valid_every(&self) -> Option<u64> {
        None
    }
}
