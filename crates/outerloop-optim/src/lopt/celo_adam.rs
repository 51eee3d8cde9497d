//! Celo-Adam: Adam whose learning rate Celo's LSTM schedules.
//!
//! p ← p − λ·step_mult·m̂/(1e-8 + √(v̂ + 1e-10)), λ = 0.1·exp(the LSTM's step size), decays .9 and .999, bias corrected.
//!
//! # References
//! Moudgil, Knyazev, Lajoie, Belilovsky 2025, "Celo: training versatile learned optimizers on a compute diet",
//! arXiv:2501.12670. Reference implementation: amoudgl/celo, celo/optimizers/celo_adam.py, 66d9761. Differences: time
//! features are computed in f64; the factored second moments that are kept there and never read are left out.

use super::engine::hyper_lstm::{self, HyperLstm, SHARED};
use super::engine::velo_features::GRADIENT_BOUND;
use crate::error::Result;
use crate::optim::elementwise::{Elementwise, MAX_ARRAYS, sweep_all};
use crate::optim::mean_decay::MeanDecay;
use crate::optim::options::options;
use crate::optim::rounding::exp;
use crate::optim::{Config, Cost, Moments, Needs, Optimizer, StateMut, Step, Theta, ThetaSpec, Update};
use crate::params::{ParamLayout, TensorSpec};
use crate::simd::Simd;
use std::sync::Arc;

const BETAS: [f32; 2] = [0.9, 0.999];
const EPS: f32 = 1e-8;
const EPS_ROOT: f32 = 1e-10;

options! {
    /// Celo-Adam: Adam whose learning rate Celo's LSTM schedules.
    pub struct CeloAdamConfig {
        /// State size of the LSTM.
        lstm_hidden: usize = 64 => Range::integer(1, 4096);
        /// Factor of every step.
        step_mult: f64 = 0.001 => Range::Positive;
    }
}

impl Config for CeloAdamConfig {
    fn build(self) -> Result<Arc<dyn Optimizer>> {
        Ok(Arc::new(CeloAdam::new(self)))
    }
}

/// The optimizer as an immutable value.
pub struct CeloAdam {
    config: CeloAdamConfig,
    theta: ThetaSpec,
}

impl CeloAdam {
    /// With the given size and scale; their ranges are the caller's to check.
    pub fn new(config: CeloAdamConfig) -> Self {
        let leaves = hyper_lstm::leaves(SHARED, config.lstm_hidden, None);
        Self { config, theta: ThetaSpec { leaves } }
    }
}

impl Optimizer for CeloAdam {
    fn theta_spec(&self) -> &ThetaSpec {
        &self.theta
    }

    fn state_layout(&self, params: &ParamLayout) -> Option<ParamLayout> {
        // Over all parameters, under the published names.
        let array = |name| TensorSpec::new(name, [params.padded_len()]);
        let mut arrays = vec![array("mom_rolling|m"), array("rms_rolling|rms")];
        arrays.extend(hyper_lstm::state_arrays(1, self.config.lstm_hidden));
        ParamLayout::new(arrays).ok()
    }

    fn bind(&self, theta: Theta, params: &ParamLayout) -> Result<Box<dyn Update>> {
        self.theta.check(&theta)?;
        Ok(Box::new(Bound {
            step_mult: self.config.step_mult as f32,
            lstm: HyperLstm::new(&self.theta, &theta, 1),
            params: params.clone(),
        }))
    }

    fn cost(&self) -> Cost {
        Cost { state_floats: 2, macs: 0 }
    }

    fn needs(&self) -> Needs {
        Needs { loss: true, num_steps: true, ..Needs::default() }
    }
}

/// Adam on clipped gradients.
#[derive(Clone, Copy)]
struct Clipped(Moments);

impl Elementwise for Clipped {
    const ARRAYS: usize = Moments::ARRAYS;

    #[inline(always)]
    fn direction<S: Simd>(self, s: S, p: S::V, g: S::V, state: &mut [S::V; MAX_ARRAYS]) -> S::V {
        self.0.direction(s, p, s.clamp(g, -GRADIENT_BOUND, GRADIENT_BOUND), state)
    }
}

struct Bound {
    step_mult: f32,
    lstm: HyperLstm,
    params: ParamLayout,
}

impl Update for Bound {
    fn init(&mut self, _: &[f32], state: StateMut<'_>) {
        let shared = 2 * self.params.padded_len();
        self.lstm.init(&mut state.data[shared..], state.num_steps as f64);
    }

    fn step(&mut self, step: Step<'_>) {
        let Step { workers, state, mut params, mut grads, losses, scale } = step;
        let cpu = workers.cpu();
        let (moments, shared) = state.data.split_at_mut(2 * self.params.padded_len());
        self.lstm.observe(shared, *state.iteration, state.num_steps, losses.train);
        self.lstm.step(cpu, shared, false);
        *state.iteration += 1;
        let t = *state.iteration as f64;
        let kernel = Clipped(Moments {
            beta: BETAS,
            complement: BETAS.map(|beta| 1.0 - beta),
            correction: BETAS.map(|beta| MeanDecay::new(f64::from(beta)).correction(t)),
            lr: 0.1 * exp(self.lstm.step_size(cpu, 0)) * self.step_mult,
            eps: EPS,
            eps_root: EPS_ROOT,
        });
        sweep_all(workers, kernel, 1.0, &self.params, [&mut params, &mut grads], moments, scale);
    }
}
