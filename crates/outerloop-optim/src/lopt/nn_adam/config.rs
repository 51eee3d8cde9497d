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
use crate::optim::options::options;
use crate::optim::{Config, Cost, LeafInit, Needs, Optimizer, Overwrites, Theta, ThetaSpec, Update};
use crate::params::{ParamLayout, TensorSpec};
use std::sync::Arc;

/// Inputs of the LSTM.
pub(super) const INPUTS: usize = 19;
/// Constants of a tensor in the order of the LSTM's outputs; in the state each is an array over the tensors.
pub(super) const CONTROLS: [&str; 4] =
    ["per_layer_lr", "per_layer_beta1", "per_layer_beta2", "per_layer_epsilon"];

options! {
    /// Adam whose rate, decays and ε a per-tensor LSTM steers (NN-Adam; Metz et al. 2020, arXiv:2009.11243).
    pub struct NnAdamConfig {
        /// Factor of what the LSTM adds to the constants in a step.
        output_scale: f64 = 0.01 => Range::Positive;
        /// Where the learned first rate starts.
        initial_lr: f64 = 1e-4 => Range::between(1e-8, 1e3);
        /// Where the learned first decay of the mean starts.
        beta1: f64 = 0.9 => Range::Fraction;
        /// Where the learned first decay of the mean square starts.
        beta2: f64 = 0.999 => Range::Fraction;
        /// Where the learned first ε starts.
        eps: f64 = 1e-8 => Range::Positive;
        /// Share of their way back to the first ones that the constants go in every step.
        decay_strength: f64 = 0.0 => Range::Probability;
        /// State size of the per-tensor LSTM.
        lstm_hidden: usize = 32 => Range::integer(1, 4096);
    }
}

impl Config for NnAdamConfig {
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
