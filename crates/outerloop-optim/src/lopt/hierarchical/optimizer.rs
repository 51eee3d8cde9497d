//! The hierarchical optimizer: an LSTM per tensor over a small MLP per parameter, fed with train and validation loss.
//!
//! # References
//! Metz, Maheswaranathan, Freeman, Poole, Sohl-Dickstein 2020, "Tasks, stability, architecture, and compute",
//! arXiv:2009.11243. `Variant::Library` follows google/learned_optimization, learned_optimizers/rnn_mlp_lopt.py,
//! 32186aa. `Variant::Paper` adds what the paper has and the library has not: a channel with old parameters, a clip of
//! the normalised channels (bound not published: an option), a learned gradient clipper (form not published), and
//! validation losses that do not advance the clock. Differences: time features are computed in f64; the mean of the
//! validation losses is 0 before the first one.

use super::bound::Bound;
use super::config::{HierarchicalConfig, OldParams, Variant};
use super::tensor::NUM_DECAYS;
use super::theta::theta_spec;
use crate::error::Result;
use crate::lopt::engine::loss_normalizer;
use crate::optim::{Cost, GradRange, Needs, Optimizer, Overwrites, Theta, ThetaSpec, Update};
use crate::params::{ParamLayout, TensorSpec};

/// Age of the old parameters, in steps.
pub(super) const OLD_AGE: usize = 100;
/// Inner steps between validation losses (Metz et al. 2020).
const VALID_EVERY: u64 = 10;

/// The optimizer as an immutable value.
pub struct Hierarchical {
    pub(super) config: HierarchicalConfig,
    pub(super) theta: ThetaSpec,
}

impl Hierarchical {
    /// With the given sizes and scales; their ranges are the caller's to check.
    pub fn new(config: HierarchicalConfig) -> Self {
        let theta = theta_spec(&config);
        Self { config, theta }
    }

    /// Copies of the parameters that are kept.
    pub(super) fn num_old(&self) -> usize {
        match (self.config.variant, self.config.old_params.unwrap_or_default()) {
            (Variant::Library, _) => 0,
            (Variant::Paper, OldParams::Snapshot) => 2,
            // One more than the age, so that the copy read and the one written differ.
            (Variant::Paper, OldParams::Exact) => OLD_AGE + 1,
        }
    }
}

impl Optimizer for Hierarchical {
    fn theta_spec(&self) -> &ThetaSpec {
        &self.theta
    }

    fn state_layout(&self, params: &ParamLayout) -> Option<ParamLayout> {
        let mut arrays = vec![];
        for spec in params.specs() {
            for name in ["momentum", "square"] {
                arrays.extend(
                    (0..NUM_DECAYS)
                        .map(|k| TensorSpec::new(format!("{name}{k}/{}", spec.name), [spec.len()])),
                );
            }
            arrays.extend(
                (0..self.num_old()).map(|k| TensorSpec::new(format!("old{k}/{}", spec.name), [spec.len()])),
            );
        }
        let (rows, c) = (params.num_tensors(), &self.config);
        for (name, len) in [
            ("from_mlp", rows * c.from_mlp),
            ("from_lstm", c.from_lstm),
            ("hidden", rows * c.lstm_hidden),
            ("cell", rows * c.lstm_hidden),
            ("train_normalizer", loss_normalizer::LEN),
            ("valid_normalizer", loss_normalizer::LEN),
            ("clipper", 2),
        ] {
            arrays.push(TensorSpec::new(name, [len]));
        }
        ParamLayout::new(arrays).ok()
    }

    fn bind(&self, theta: Theta, params: &ParamLayout) -> Result<Box<dyn Update>> {
        self.theta.check(&theta)?;
        Ok(Box::new(Bound::new(self, &theta, params)))
    }

    fn cost(&self) -> Cost {
        let (c, inputs) =
            (&self.config, self.theta.leaves.iter().find(|(l, _)| l.name.ends_with("linear_0/w")));
        let inputs = inputs.map_or(0, |(leaf, _)| leaf.shape[0]);
        Cost {
            state_floats: 2 * NUM_DECAYS + self.num_old(),
            macs: inputs * c.hidden + c.hidden * c.hidden + c.hidden * (2 + c.from_mlp),
        }
    }

    fn needs(&self) -> Needs {
        Needs {
            loss: true,
            overwrites_grads: Overwrites::Always,
            valid_every: Some(VALID_EVERY),
            grad_range: GradRange::Refused,
            ..Needs::default()
        }
    }
}
