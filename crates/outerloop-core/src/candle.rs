//! Optimizers of this crate for models written with candle (feature `candle-nn`): two lines change.
//!
//! Parameters and gradients are copied out of candle's tensors and back, because candle does not lend its storage for
//! writing. Matrices are taken in the layout that they have; candle's linear layers are `[out, in]`, while learned optimizers
//! were published for `[in, out]`. Only what ties of equal axes decide depends on that (square matrices).

use crate::apply::{Applied, ApplyOptions, NonFinite};
use crate::optim::{Scale, Theta};
use crate::params::TensorSpec;
use crate::simd::Cpu;
use crate::zoo::{OptimizerConfig, build_optimizer};
use candle_core::backprop::GradStore;
use candle_core::{DType, Error, Result, Tensor, Var};
use candle_nn::Optimizer;

/// What [`CandleOptimizer`] is made from.
#[derive(Clone, Debug)]
pub struct CandleConfig {
    /// The optimizer.
    pub optimizer: OptimizerConfig,
    /// Weights of a learned optimizer; empty for a hand-designed one.
    pub theta: Theta,
    /// Steps that there will be, for optimizers that read it.
    pub num_steps: Option<u64>,
    /// Threads that share large tensors, at least 1.
    pub threads: usize,
}

impl CandleConfig {
    /// A hand-designed optimizer on one thread.
    pub fn new(optimizer: OptimizerConfig) -> Self {
        Self { optimizer, theta: Theta::from([]), num_steps: None, threads: 1 }
    }
}

/// Any optimizer of this crate as candle's `Optimizer`.
///
/// `learning_rate` is a factor of the rule's own steps, 1 at first: the rate itself is an option of the rule.
///
/// # Examples
/// ```
/// use candle_core::{Device, Var};
/// use candle_nn::Optimizer;
/// use outerloop_core::candle::{CandleConfig, CandleOptimizer};
/// use outerloop_core::zoo::OptimizerConfig;
///
/// let x = Var::new(&[3f32, -1.0], &Device::Cpu)?;
/// let sgd = OptimizerConfig::from_json(r#"{"name":"sgd","lr":0.25}"#).expect("valid");
/// let mut optimizer = CandleOptimizer::new(vec![x.clone()], CandleConfig::new(sgd))?;
/// optimizer.backward_step(&x.sqr()?.sum_all()?)?;
/// assert_eq!(x.to_vec1::<f32>()?, [1.5, -0.5]);
/// # Ok::<(), candle_core::Error>(())
/// ```
pub struct CandleOptimizer {
    vars: Vec<Var>,
    applied: Applied,
    params: Vec<Vec<f32>>,
    factor: f64,
    loss: Option<f32>,
    valid_loss: Option<f32>,
}

impl CandleOptimizer {
    /// For variables under names, which options with patterns look at (a `VarMap` has them).
    /// # Errors
    /// If a variable is not `F32`, there is none, or the config does not fit.
    pub fn with_names(vars: Vec<(String, Var)>, config: CandleConfig) -> Result<Self> {
        let optimizer = build_optimizer(&config.optimizer).map_err(Error::wrap)?;
        let specs = vars.iter().map(|(name, var)| TensorSpec::new(name, var.dims())).collect();
        let vars: Vec<Var> = vars.into_iter().map(|(_, var)| var).collect();
        let params = vars.iter().map(|var| numbers(var)).collect::<Result<Vec<_>>>()?;
        let options = ApplyOptions {
            num_steps: config.num_steps,
            non_finite: NonFinite::Throw,
            threads: config.threads,
            cpu: Cpu::detect().map_err(Error::wrap)?,
        };
        let slices: Vec<&[f32]> = params.iter().map(Vec::as_slice).collect();
        let applied = Applied::new(optimizer, config.theta, specs, &slices, options).map_err(Error::wrap)?;
        Ok(Self { vars, applied, params, factor: 1.0, loss: None, valid_loss: None })
    }

    /// The loss that belongs to the gradients of the next [`Optimizer::step`], for rules that read it; `backward_step` tells
    /// it by itself.
    pub fn set_loss(&mut self, loss: f32) {
        self.loss = Some(loss);
    }

    /// A validation loss at the parameters as they are, for rules that read one; the next step takes it.
    pub fn set_valid_loss(&mut self, loss: f32) {
        self.valid_loss = Some(loss);
    }
}

impl Optimizer for CandleOptimizer {
    type Config = CandleConfig;

    fn new(vars: Vec<Var>, config: CandleConfig) -> Result<Self> {
        let named = vars.into_iter().enumerate().map(|(i, var)| (format!("var{i}"), var)).collect();
        Self::with_names(named, config)
    }

    /// A variable without a gradient has a gradient of zeros.
    fn step(&mut self, grads: &GradStore) -> Result<()> {
        let grads = self.vars.iter().map(|var| match grads.get(var) {
            Some(grad) => numbers(grad),
            None => Ok(vec![0.0; var.elem_count()]),
        });
        let grads = grads.collect::<Result<Vec<_>>>()?;
        for (params, var) in self.params.iter_mut().zip(&self.vars) {
            *params = numbers(var)?;
        }
        let mut params: Vec<&mut [f32]> = self.params.iter_mut().map(Vec::as_mut_slice).collect();
        let grads: Vec<&[f32]> = grads.iter().map(Vec::as_slice).collect();
        let (loss, valid) = (self.loss.take(), self.valid_loss.take());
        let scale = Scale::ONE.times(self.factor as f32);
        self.applied.step(&mut params, &grads, loss, valid, scale).map_err(Error::wrap)?;
        for (params, var) in self.params.iter().zip(&self.vars) {
            var.set(&Tensor::from_slice(params, var.shape(), var.device())?)?;
        }
        Ok(())
    }

    fn learning_rate(&self) -> f64 {
        self.factor
    }

    fn set_learning_rate(&mut self, factor: f64) {
        self.factor = factor;
    }

    fn backward_step(&mut self, loss: &Tensor) -> Result<()> {
        let grads = loss.backward()?;
        self.loss = Some(loss.to_dtype(DType::F32)?.to_scalar()?);
        self.step(&grads)
    }
}

fn numbers(tensor: &Tensor) -> Result<Vec<f32>> {
    tensor.flatten_all()?.to_vec1()
}
