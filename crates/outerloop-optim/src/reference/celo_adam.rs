//! Celo-Adam: Adam whose learning rate is scheduled by Celo's LSTM.
//!
//! Moudgil, Knyazev, Lajoie, Belilovsky 2025, "Celo: training versatile learned optimizers on a compute diet",
//! arXiv:2501.12670; reference implementation amoudgl/celo (66d9761), `celo/optimizers/celo_adam.py`. Its factored second
//! moments are left out: no formula reads them.

use super::ReferenceOptimizer;
use super::accumulators::accumulate;
use super::constants::{Constants, Decay};
use super::hyper_lstm::{HyperLstm, shared_features};
use super::loss_buffer::LossBuffer;
use super::primitives::clip;
use super::tensor::Tensor;
use super::theta::ThetaReader;
use crate::error::Result;
use crate::params::TensorSpec;

/// Inputs of the LSTM.
const INPUTS: usize = 18;
const BETA1: f64 = 0.9;
const BETA2: f64 = 0.999;

/// Hyperparameters of [`CeloAdam`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CeloAdamConfig {
    /// State size of the LSTM.
    pub lstm_hidden: usize,
    /// Factor of every step.
    pub step_mult: f64,
    /// Number of updates that there will be; the state has it too.
    pub num_steps: f64,
}

/// p ← p − m̂·λ·step_mult/(1e-8 + √(v̂ + 1e-10)), λ = 0.1·exp(the LSTM's step size).
#[derive(Clone, Debug)]
pub struct CeloAdam {
    step_mult: f64,
    constants: Constants,
    lstm: HyperLstm,
    losses: LossBuffer,
    momentum: Vec<Tensor>,
    rms: Vec<Tensor>,
    iteration: Tensor,
    num_steps: Tensor,
}

impl CeloAdam {
    /// Before the first step. Theta is the LSTM's.
    /// # Errors
    /// `ShapeMismatch` if `theta` has another length.
    pub fn new(
        config: CeloAdamConfig,
        theta: &[f32],
        specs: &[TensorSpec],
        constants: Constants,
    ) -> Result<Self> {
        let hidden = config.lstm_hidden;
        let mut leaves = ThetaReader::new(theta, HyperLstm::theta_length(INPUTS, hidden, None))?;
        Ok(Self {
            step_mult: constants.literal(config.step_mult),
            constants,
            lstm: HyperLstm::new(&mut leaves, INPUTS, hidden, None, specs.len()),
            losses: LossBuffer::new(constants),
            momentum: Tensor::per_param("mom_rolling|m", specs, &[1]),
            rms: Tensor::per_param("rms_rolling|rms", specs, &[1]),
            iteration: Tensor::scalar("iteration", 0.0),
            num_steps: Tensor::scalar("num_steps", config.num_steps),
        })
    }
}

impl ReferenceOptimizer for CeloAdam {
    fn step(&mut self, params: &mut [Tensor], grads: &[Tensor], loss: f64, _valid_loss: Option<f64>) {
        let constants = self.constants;
        let (iteration, num_steps) = (self.iteration.item(), self.num_steps.item());
        self.losses.update(loss, num_steps);
        let features = shared_features(iteration, num_steps, &self.losses);
        let outputs = self.lstm.step(&vec![features; params.len()], false);
        let [eps, eps_root] = [1e-8, 1e-10].map(|x| constants.literal(x));
        let corrections = [BETA1, BETA2].map(|beta| constants.one_minus_power(beta, iteration + 1.0));
        for (tensor, (p, g)) in params.iter_mut().zip(grads).enumerate() {
            let rate = 0.1 * self.lstm.step_size.apply(&outputs[tensor])[0].exp() * self.step_mult;
            let g: Vec<f64> = g.data.iter().map(|&g| clip(g, -1000.0, 1000.0)).collect();
            let (m, v) = (&mut self.momentum[tensor].data, &mut self.rms[tensor].data);
            accumulate(m, &[Decay::array(BETA1, constants)], g.iter().copied());
            accumulate(v, &[Decay::array(BETA2, constants)], g.iter().map(|g| g * g));
            for (i, p) in p.data.iter_mut().enumerate() {
                let (m, v) = (m[i] / corrections[0], v[i] / corrections[1]);
                *p -= m * rate / (eps + (v + eps_root).sqrt());
            }
        }
        self.iteration.data[0] += 1.0;
    }

    fn state(&self) -> Vec<&Tensor> {
        let mut all = vec![&self.iteration, &self.num_steps];
        all.extend(self.momentum.iter().chain(&self.rms));
        all.extend(self.lstm.state());
        all.extend(self.losses.state());
        all
    }

    fn state_mut(&mut self) -> Vec<&mut Tensor> {
        let mut all = vec![&mut self.iteration, &mut self.num_steps];
        all.extend(self.momentum.iter_mut().chain(&mut self.rms));
        all.extend(self.lstm.state_mut());
        all.extend(self.losses.state_mut());
        all
    }
}
