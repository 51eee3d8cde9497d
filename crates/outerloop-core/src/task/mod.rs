//! Inner problems: parameters, minibatches and a loss in two forms.
//!
//! A task's `graph` is a candle expression: short, any dtype and device, gradient by autograd; in `f64` it is the
//! authority. Its `plan` is the same loss as hand-written layers for the CPU. The contract suite in
//! `tests/task_contract.rs` holds the two against each other, finite differences and the published numbers.

mod batch;
mod config;
mod footprint;
mod gather;
mod matrix;
mod mlp;
mod mlp_plan;
mod normalizer;
mod quadratic;
mod registry;
mod scaled;

pub use crate::program::Init;
pub use batch::Batch;
pub use config::{MlpConfig, PixelScaling, QuadraticConfig, QuadraticOutput, TaskConfig};
pub use footprint::TaskFootprint;
pub use matrix::{Distribution, MatrixKind};
pub use mlp::MlpTask;
pub use normalizer::Normalizer;
pub use quadratic::QuadraticTask;
pub use registry::{Datasets, build_task};
pub use scaled::{ParamScale, ScaledTask};

use crate::data::Split;
use crate::params::ParamLayout;
use crate::rng::Key;
use crate::simd::Cpu;
use candle_core::Tensor;

/// What is fixed about a task besides its loss.
#[derive(Clone, Debug)]
pub struct TaskSpec {
    /// Parameter tensors, in leaf order.
    pub params: ParamLayout,
    /// How every tensor starts: `None` is zeros.
    pub init: Vec<TensorInit>,
    /// Maps a loss to a meta-loss.
    pub normalizer: Normalizer,
    /// Factors between the parameters and what the loss sees of them, by tensor: tensors start divided by them. None: 1.
    pub scales: Option<Vec<f32>>,
}

/// How one tensor starts.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum TensorInit {
    /// All zero.
    Zero,
    /// A weight matrix `[fan_in, fan_out]`.
    Matrix(Init),
    /// Independent numbers.
    Independent(Distribution),
}

impl TaskSpec {
    /// Draws the initial parameters into the padded array `params`.
    /// # Panics
    /// If `params` is not of the layout's padded length: a bug of the caller.
    pub fn init_params(&self, key: Key, params: &mut [f32]) {
        assert_eq!(params.len(), self.params.padded_len());
        params.fill(0.0);
        for (i, init) in self.init.iter().enumerate() {
            let out = &mut params[self.params.range(i)];
            match init {
                TensorInit::Zero => {}
                TensorInit::Matrix(init) => {
                    let shape = &self.params.specs()[i].shape;
                    init.fill(key.fold(i as u64), shape[0], shape[1], out);
                }
                TensorInit::Independent(distribution) => distribution.fill(key.fold(i as u64), out),
            }
            if let Some(scales) = &self.scales {
                out.iter_mut().for_each(|x| *x /= scales[i]);
            }
        }
    }
}

/// An inner problem. Immutable and shared between lanes.
pub trait Task: Send + Sync {
    /// Parameters, initialisers, normaliser.
    fn spec(&self) -> &TaskSpec;

    /// Draws minibatch number `index` of `split` for the unroll named by `key` into `batch`.
    fn sample(&self, cpu: Cpu, split: Split, key: Key, index: u64, batch: &mut Batch);

    /// The mean loss of `batch` as a candle expression of the parameter tensors, in their dtype and on their device.
    /// # Errors
    /// If candle refuses an operation.
    fn graph(&self, params: &[Tensor], batch: &Batch) -> candle_core::Result<Tensor>;

    /// The same loss as hand-written layers with its own scratch.
    fn plan(&self) -> Box<dyn Plan>;

    /// Whether there are right and wrong answers.
    fn has_answers(&self) -> bool {
        false
    }
}

/// A task's loss and gradient on the CPU, with the scratch they need. One per thread at a time.
pub trait Plan: Send {
    /// The mean loss of `batch` at the padded `params`.
    fn loss(&mut self, cpu: Cpu, params: &[f32], batch: &Batch) -> f32;

    /// The same, and its gradient into the padded `grads` (gaps stay as they are).
    fn loss_and_grad(&mut self, cpu: Cpu, params: &[f32], batch: &Batch, grads: &mut [f32]) -> f32;

    /// Share of the batch that is answered wrongly, 0 to 1; not a number where the task has no answers. Equal scores count
    /// as right.
    fn error_rate(&mut self, _cpu: Cpu, _params: &[f32], _batch: &Batch) -> f32 {
        f32::NAN
    }
}
