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
use crate::optim::options::options;
use crate::optim::{Config, Cost, GradRange, Needs, Optimizer, Overwrites, Theta, ThetaSpec, Update};
use crate::params::{ParamLayout, TensorSpec};
use crate::tensor::runs_of;
use std::sync::Arc;

options! {
    /// Adafactor (Shazeer, Stern 2018, arXiv:1804.04235): steps along g/√v, where v is a running mean of g² with
    /// decay 1 − t^(−decayRate), kept of large matrices as means over rows and columns.
    pub struct Adafactor {
        /// Root mean square of a step, relative to the parameters' with `multiplyByParameterScale`.
        lr: f64 => Range::Positive;
        /// Tensors whose second largest axis is at least this are factored.
        min_dim_size_to_factor: usize = 128 => Range::integer(1, 1 << 30);
        /// In the decay 1 − t^(−decayRate).
        decay_rate: f64 = 0.8 => Range::Positive;
        /// Largest root mean square of a direction; null: any.
        clipping_threshold: Option<f64> = Some(1.0) => Range::Positive;
        /// Whether steps are relative to the root mean square of their parameters, taken as at least 1e-3.
        multiply_by_parameter_scale: bool = true => Range::Flag;
        /// Decay of the mean of steps; null: no such mean.
        momentum: Option<f64> = None => Range::Fraction;
        /// Decay of the parameters a step, not multiplied by lr.
        weight_decay: f64 = 0.0 => Range::NonNegative;
        /// Added to g².
        eps: f64 = 1e-30 => Range::AtLeast { min: 1e-30 };
    }
}

impl Config for Adafactor {
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
