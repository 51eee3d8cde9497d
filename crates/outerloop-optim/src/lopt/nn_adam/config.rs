//! NN-Adam: Adam without bias correction whose rate, decays and ε an LSTM per tensor steers.
//!
//! Per tensor m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², p ← p − lr·(1+ε)/(ε + √(v + 1e-10))·m for g clipped to ±1000. The
//! constants are kept as a tenth of the logarithm of lr, 1−β₁, 1−β₂ and ε; after the step the LSTM sees statistics of the
//! tensor and adds to them.
//!
//! # References
//! Metz, Maheswaranathan, Freeman, Poole, Sohl-Dickstein 2020, arXiv:2009.11243 (a baseline there). Reference
//! implementation: google/learned_optimization, learned_optimizers/nn_adam.py, 32186aa. amoudgl/celo, 66d9761, has 64
//! units. No difference but rounding; that is felt, since β₂ goes through 1 − e¹⁰ˣ again in every step.

use super::bound::Bound;
use crate::error::Result;
use crate::optim::checks::{between, eps8, fraction, point_9, point_999, positive, size, size_32};
use crate::optim::{Config, Cost, LeafInit, Needs, Optimizer, Overwrites, Theta, ThetaSpec, Update};
use crate::params::{ParamLayout, TensorSpec};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Inputs of the LSTM.
pub(super) const INPUTS: usize = 19;
/// Constants of a tensor in the order of the LSTM's outputs; in the state each is an array over the tensors.
pub(super) const CONTROLS: [&str; 4] =
    ["per_layer_lr", "per_layer_beta1", "per_layer_beta2", "per_layer_epsilon"];

/// Options of NN-Adam.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NnAdamConfig {
    /// Factor of what the LSTM adds to the constants, above 0.
    #[serde(default = "output_scale")]
    pub output_scale: f64,
    /// Where the learned first rate starts, 1e-8 to 1,000.
    #[serde(default = "initial_lr")]
    pub initial_lr: f64,
    /// Where the learned first decay of the mean starts, in [0, 1).
    #[serde(default = "point_9")]
    pub beta1: f64,
    /// Where the learned first decay of the mean square starts, in [0, 1).
    #[serde(default = "point_999")]
    pub beta2: f64,
    /// Where the learned first ε starts, above 0.
    #[serde(default = "eps8")]
    pub eps: f64,
    /// Share of their way back to the first ones that the constants go in every step, 0 to 1.
    #[serde(default)]
    pub decay_strength: f64,
    /// State size of the LSTM, 1 to 4,096.
    #[serde(default = "size_32")]
    pub lstm_hidden: usize,
}

fn output_scale() -> f64 {
    0.01
}
fn initial_lr() -> f64 {
    1e-4
}

impl Config for NnAdamConfig {
    fn checked(self) -> Result<Self> {
        positive("outputScale", self.output_scale)?;
        between("initialLr", self.initial_lr, 1e-8, 1e3)?;
        fraction("beta1", self.beta1)?;
        fraction("beta2", self.beta2)?;
        positive("eps", self.eps)?;
        between("decayStrength", self.decay_strength, 0.0, 1.0)?;
        size("lstmHidden", self.lstm_hidden, 4096)?;
        Ok(self)
    }

    fn build(self) -> Result<Arc<dyn Optimizer>> {
        Ok(Arc::new(NnAdam::new(self)))
    }
}

/// The optimizer as an immutable value.
pub struct NnAdam {
    pub(super) config: NnAdamConfig,
    pub(super) theta: ThetaSpec,
}

impl NnAdam {
    /// With the given options; their ranges are the caller's to check.
    pub fn new(config: NnAdamConfig) -> Self {
        let h = config.lstm_hidden;
        let inputs = INPUTS + h;
        let log = |x: f64| LeafInit::Constant((0.1 * x.ln()) as f32);
        let leaf = |name: &str, shape: &[usize], init| (TensorSpec::new(name, shape), init);
        let rnn = LeafInit::TruncatedNormal(1.0 / (inputs as f64).sqrt());
        let theta = ThetaSpec {
            leaves: vec![
                leaf("lstm_init_state/hidden", &[1, h], LeafInit::Zero),
                leaf("lstm_init_state/cell", &[1, h], LeafInit::Zero),
                leaf("per_layer_beta1", &[], log(1.0 - config.beta1)),
                leaf("per_layer_beta2", &[], log(1.0 - config.beta2)),
                leaf("per_layer_epsilon", &[], log(config.eps)),
                leaf("per_layer_lr", &[], log(config.initial_lr)),
                leaf("rnn_params/rnn/linear/b", &[4 * h], LeafInit::Zero),
                leaf("rnn_params/rnn/linear/w", &[inputs, 4 * h], rnn),
                leaf("rnn_to_controls_params/rnn_to_controls/b", &[4], LeafInit::Zero),
                leaf("rnn_to_controls_params/rnn_to_controls/w", &[h, 4], LeafInit::Zero),
            ],
        };
        Self { config, theta }
    }
}

impl Optimizer for NnAdam {
    fn theta_spec(&self) -> &ThetaSpec {
        &self.theta
    }

    fn state_layout(&self, params: &ParamLayout) -> Option<ParamLayout> {
        let (rows, h) = (params.num_tensors(), self.config.lstm_hidden);
        let elements = ["rolling_features|m", "rolling_features|rms"].map(|name| (name, params.padded_len()));
        let controls = CONTROLS.map(|name| (name, rows));
        let lstm = ["lstm_hidden_state|hidden", "lstm_hidden_state|cell"].map(|name| (name, rows * h));
        let all = elements.into_iter().chain(controls).chain(lstm);
        ParamLayout::new(all.map(|(name, len)| TensorSpec::new(name, [len])).collect()).ok()
    }

    fn bind(&self, theta: Theta, params: &ParamLayout) -> Result<Box<dyn Update>> {
        self.theta.check(&theta)?;
        Ok(Box::new(Bound::new(self, &theta, params)))
    }

    fn cost(&self) -> Cost {
        Cost { state_floats: 2, macs: 0 }
    }

    fn needs(&self) -> Needs {
        Needs { overwrites_grads: Overwrites::Above(1000.0), ..Needs::default() }
    }
}
