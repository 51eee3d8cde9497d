//! A fast optimizer beside its f64 twin: one config builds both, and the fast state is read under the twin's names.
#![allow(dead_code)]

mod elementwise;
mod param_rnn;
mod states;
mod tensorwise;
mod twins;
mod velo;

#[allow(unused_imports, reason = "not every test has a twin")]
pub use twins::{has_twin, twin_of};
#[allow(unused_imports, reason = "as above")]
pub use velo::set_num_steps;

use outerloop_core::optim::{Losses, Optimizer, OptimizerState, Scale, Step, Tensors, Update, empty_state};
use outerloop_core::params::{ParamLayout, TensorSpec};
use outerloop_core::reference::{ReferenceOptimizer, Tensor, set_state};
use outerloop_core::simd::{AlignedVec, Cpu, Workers};
use outerloop_core::zoo::{OptimizerConfig, build_optimizer};
use std::sync::Arc;

/// Steps that optimizers are told there will be, as in the rule-made cases.
pub const NUM_STEPS: u64 = 100;

/// A fast optimizer with its parameters and state.
pub struct Fast {
    pub optimizer: Arc<dyn Optimizer>,
    pub layout: ParamLayout,
    pub params: AlignedVec,
    pub state: OptimizerState,
    grads: AlignedVec,
    update: Box<dyn Update>,
    state_layout: Option<ParamLayout>,
    cpu: Cpu,
}

impl Fast {
    /// At `params`, `[tensor][element]`, before the first step.
    pub fn new(
        config: &OptimizerConfig,
        theta: &[f32],
        specs: &[TensorSpec],
        params: &[Vec<f32>],
        cpu: Cpu,
    ) -> Self {
        Self::of_steps(config, theta, specs, params, cpu, NUM_STEPS)
    }

    /// The same, told that there will be `num_steps`.
    pub fn of_steps(
        config: &OptimizerConfig,
        theta: &[f32],
        specs: &[TensorSpec],
        params: &[Vec<f32>],
        cpu: Cpu,
        num_steps: u64,
    ) -> Self {
        let optimizer = build_optimizer(config).unwrap();
        let layout = ParamLayout::new(specs.to_vec()).unwrap();
        let mut state = empty_state(&*optimizer, &layout, num_steps);
        let mut update = optimizer.bind(theta.into(), &layout).unwrap();
        let zeros = AlignedVec::zeros(layout.padded_len());
        let mut padded = zeros.clone();
        layout.pack(&params.concat(), &mut padded).unwrap();
        update.init(&padded, state.view());
        let state_layout = optimizer.state_layout(&layout);
        Self { optimizer, params: padded, state, grads: zeros, update, state_layout, layout, cpu }
    }

    pub fn step(&mut self, grads: &[Vec<f32>], train: f32, valid: Option<f32>) {
        self.layout.pack(&grads.concat(), &mut self.grads).unwrap();
        self.update.step(Step {
            workers: Workers::one(self.cpu),
            state: self.state.view(),
            params: Tensors::joint(&mut self.params),
            grads: Tensors::joint(&mut self.grads),
            losses: Losses { train, valid },
            scale: Scale::ONE,
        });
    }

    /// Parameters, widened, under their names.
    pub fn tensors(&self) -> Vec<Tensor> {
        let tensor = |(i, s): (usize, &TensorSpec)| {
            Tensor::new(&s.name, s.shape.clone(), widen(&self.params[self.layout.range(i)]))
        };
        self.layout.specs().iter().enumerate().map(tensor).collect()
    }

    /// Whether every padding float of the parameters is zero.
    pub fn gaps_are_zero(&self) -> bool {
        (0..self.layout.num_tensors()).all(|i| {
            self.params[self.layout.range(i).end..self.layout.padded_range(i).end].iter().all(|&x| x == 0.0)
        })
    }

    /// Copies parameters and state into the twin.
    pub fn copy_to(&self, config: &OptimizerConfig, twin: &mut dyn ReferenceOptimizer) -> Vec<Tensor> {
        set_state(twin, &self.twin_state(config)).unwrap();
        self.tensors()
    }
}

pub fn widen(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

/// `data` as twin tensors.
pub fn tensors(specs: &[TensorSpec], data: &[Vec<f32>]) -> Vec<Tensor> {
    specs.iter().zip(data).map(|(s, d)| Tensor::new(&s.name, s.shape.clone(), widen(d))).collect()
}

/// The optimizer config of a JSON text.
pub fn config(json: &str) -> OptimizerConfig {
    OptimizerConfig::from_json(json).unwrap()
}
