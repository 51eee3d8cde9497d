//! The network on Adafactor-style features with a nominal step and a weight decay beside its own (`adafac_nominal`).
//!
//! google/learned_optimization (32186aa), `learned_optimizers/adafac_nominal.py`, with its nominal direction
//! "AdamAggMo" and one factor for all exponents.

use super::ReferenceOptimizer;
use super::adafac_mlp::{AdafacMlp, AdafacMlpConfig};
use super::constants::Constants;
use super::primitives::{magnitude_step, mean, relu_network, rsqrt, tanh_embedding};
use super::tensor::Tensor;
use crate::error::Result;
use crate::params::TensorSpec;

/// Hyperparameters of [`AdafacNominal`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AdafacNominalConfig {
    /// Those of the learned step.
    pub features: AdafacMlpConfig,
    /// Factor of the nominal step.
    pub nominal_lr: f64,
    /// Share of a parameter that is lost in every step.
    pub weight_decay: f64,
    /// Whether the third output is the nominal step's magnitude; otherwise it is 1.
    pub nominal_controller: bool,
    /// Whether the fourth output is the decay's magnitude; otherwise it is 0.
    pub decay_controller: bool,
}

/// p ← p·(1 − wd·exp(exp_mult·o₃)) − o₀·exp(exp_mult·o₁)·step_mult − lr·exp(exp_mult·o₂)·ĝ; ĝ is the mean over the
/// decays of m·rsqrt(v + 1e-6).
#[derive(Clone, Debug)]
pub struct AdafacNominal {
    config: AdafacNominalConfig,
    features: AdafacMlp,
}

impl AdafacNominal {
    /// With zero accumulators. Theta's leaves are those of [`AdafacMlp::new`] with b2\[4\] and w2\[H, 4\].
    /// # Errors
    /// `ShapeMismatch` if `theta` has another length than H² + 45·H + 11.
    pub fn new(
        config: AdafacNominalConfig,
        theta: &[f32],
        specs: &[TensorSpec],
        constants: Constants,
    ) -> Result<Self> {
        let features = AdafacMlp::with_outputs(config.features, 4, theta, specs, constants)?;
        let AdafacMlpConfig { hidden, step_mult, exp_mult } = config.features;
        let [step_mult, exp_mult, nominal_lr, weight_decay] =
            [step_mult, exp_mult, config.nominal_lr, config.weight_decay].map(|x| constants.literal(x));
        let rounded = AdafacMlpConfig { hidden, step_mult, exp_mult };
        let config = AdafacNominalConfig { features: rounded, nominal_lr, weight_decay, ..config };
        Ok(Self { config, features })
    }
}

impl ReferenceOptimizer for AdafacNominal {
    fn step(&mut self, params: &mut [Tensor], grads: &[Tensor], _loss: f64, _valid_loss: Option<f64>) {
        let Self { config: c, features } = self;
        let AdafacMlpConfig { step_mult, exp_mult, .. } = c.features;
        let time = tanh_embedding(features.iteration.item());
        for (tensor, (p, g)) in params.iter_mut().zip(grads).enumerate() {
            let rows = features.features(tensor, &p.data, &g.data);
            for (i, (p, row)) in p.data.iter_mut().zip(&rows).enumerate() {
                let out = relu_network(&features.layers, &[row, &time[..]].concat());
                let nominal = if c.nominal_controller { out[2] } else { 1.0 };
                let decay = if c.decay_controller { out[3] } else { 0.0 };
                let momenta = &features.momentum[tensor].data[3 * i..3 * i + 3];
                let root = rsqrt(features.rms[tensor].data[i] + 1e-6);
                let direction = mean(&momenta.iter().map(|m| m * root).collect::<Vec<_>>());
                *p = *p * (1.0 - c.weight_decay * (exp_mult * decay).exp())
                    - magnitude_step(&out, step_mult, exp_mult)
                    - c.nominal_lr * (exp_mult * nominal).exp() * direction;
            }
        }
        features.iteration.data[0] += 1.0;
    }

    fn state(&self) -> Vec<&Tensor> {
        self.features.state()
    }

    fn state_mut(&mut self) -> Vec<&mut Tensor> {
        self.features.state_mut()
    }
}
