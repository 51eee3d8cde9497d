//! Adafactor: u = g/√v, where v is a running mean of g², of large matrices reconstructed from its means over rows and
//! columns; then u is held to a root mean square of `clippingThreshold`, scaled by lr and the parameters' root mean
//! square, and averaged over time if there is a momentum; p ← p − u − wd·p.
//!
//! # References
//! Shazeer, Stern 2018, arXiv:1804.04235. As optax's `adafactor` (google-deepmind/optax, 0.2.4): the mean over time has
//! decay 1 − t^(−decayRate) in update t = 1, 2, …; a tensor is factored if its second largest axis has at least
//! `minDimSizeToFactor`; v gets g² + eps; the decay of weights is not multiplied by lr. Differences are rounding only.
//! Left out: the offset of t.

use super::bound::Bound;
use crate::error::Result;
use crate::optim::checks::{at_least_0, expect, fraction, positive, size, yes};
use crate::optim::{Config, Cost, GradRange, Needs, Optimizer, Overwrites, Theta, ThetaSpec, Update};
use crate::params::{ParamLayout, TensorSpec};
use crate::tensor::runs_of;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Largest `minDimSizeToFactor`.
const MAX_DIM: usize = 1 << 30;
/// Smallest `eps`: a square that f32 still holds, so that the root of a moment is never 0.
const MIN_EPS: f64 = 1e-30;

/// Options of Adafactor.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Adafactor {
    /// Learning rate, above 0: the root mean square of a step, relative to the parameters' if those count.
    pub lr: f64,
    /// Tensors whose second largest axis is at least this are factored; from 1.
    #[serde(default = "size_128")]
    pub min_dim_size_to_factor: usize,
    /// In the decay 1 − t^(−decayRate), above 0.
    #[serde(default = "point_8")]
    pub decay_rate: f64,
    /// Largest root mean square of a direction, above 0; `null`: any.
    #[serde(default = "one")]
    pub clipping_threshold: Option<f64>,
    /// Whether a step is relative to the root mean square of its parameters, taken as at least 1e-3.
    #[serde(default = "yes")]
    pub multiply_by_parameter_scale: bool,
    /// Decay of the mean of steps, in [0, 1); `null`: no such mean.
    #[serde(default)]
    pub momentum: Option<f64>,
    /// Decay of the parameters a step, at least 0.
    #[serde(default)]
    pub weight_decay: f64,
    /// Added to squared gradients, at least 1e-30.
    #[serde(default = "min_eps")]
    pub eps: f64,
}

fn size_128() -> usize {
    128
}

fn point_8() -> f64 {
    0.8
}

#[expect(clippy::unnecessary_wraps, reason = "the default of an optional field")]
fn one() -> Option<f64> {
    Some(1.0)
}

fn min_eps() -> f64 {
    MIN_EPS
}

impl Config for Adafactor {
    fn checked(self) -> Result<Self> {
        positive("lr", self.lr)?;
        size("minDimSizeToFactor", self.min_dim_size_to_factor, MAX_DIM)?;
        positive("decayRate", self.decay_rate)?;
        self.clipping_threshold.map_or(Ok(()), |x| positive("clippingThreshold", x))?;
        self.momentum.map_or(Ok(()), |x| fraction("momentum", x))?;
        at_least_0("weightDecay", self.weight_decay)?;
        expect(self.eps >= MIN_EPS && (self.eps as f32).is_finite(), "eps", "finite and >= 1e-30", self.eps)?;
        Ok(self)
    }

    fn build(self) -> Result<Arc<dyn Optimizer>> {
        Ok(Arc::new(AdafactorOptimizer { config: self, theta: ThetaSpec::default() }))
    }
}

impl Adafactor {
    /// Whether a tensor of this shape is factored.
    pub(super) fn is_factored(&self, shape: &[usize]) -> bool {
        let mut axes = shape.to_vec();
        axes.sort_unstable();
        matches!(axes[..], [.., second, _] if second >= self.min_dim_size_to_factor)
    }
}

struct AdafactorOptimizer {
    config: Adafactor,
    theta: ThetaSpec,
}

impl Optimizer for AdafactorOptimizer {
    fn theta_spec(&self) -> &ThetaSpec {
        &self.theta
    }

    fn state_layout(&self, params: &ParamLayout) -> Option<ParamLayout> {
        let mut arrays = vec![];
        for spec in params.specs() {
            let array = |name: &str, len: usize| TensorSpec::new(format!("{name}/{}", spec.name), [len]);
            match runs_of(&spec.shape).1 {
                Some(f) if self.config.is_factored(&spec.shape) => {
                    arrays.extend([array("v_row", f.row_len), array("v_col", f.col_len)]);
                }
                _ => arrays.push(array("v", spec.len())),
            }
            if self.config.momentum.is_some() {
                arrays.push(array("ema", spec.len()));
            }
        }
        ParamLayout::new(arrays).ok()
    }

    fn bind(&self, theta: Theta, params: &ParamLayout) -> Result<Box<dyn Update>> {
        self.theta.check(&theta)?;
        Ok(Box::new(Bound::new(self.config.clone(), params)))
    }

    fn cost(&self) -> Cost {
        // A large matrix keeps its sides, which are few, and the mean of steps.
        Cost { state_floats: usize::from(self.config.momentum.is_some()), macs: 0 }
    }

    fn needs(&self) -> Needs {
        let grad_range = GradRange::SUMS;
        Needs { overwrites_grads: Overwrites::Always, grad_range, ..Needs::default() }
    }
}
