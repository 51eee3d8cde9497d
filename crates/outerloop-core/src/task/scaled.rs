//! A task whose parameters are scaled: an optimizer sees w, the loss w·s, and the first w is the task's divided by s.
//!
//! The function that is learned stays the same, but gradients are multiplied by s and a step of w counts s times as much, so
//! that an optimizer trained under many s cannot learn one size of steps by heart. All arithmetic is in f32, as published.
//! # References
//! Metz et al. 2022, arXiv:2211.09760 (VeLO); `ReparamWeights` in tasks/task_augmentation.py of google/learned_optimization
//! at 32186aa. Left out: a factor for every single weight.

use super::{Batch, Plan, Task, TaskSpec};
use crate::data::Split;
use crate::error::{Error, Result};
use crate::params::ParamLayout;
use crate::rng::Key;
use crate::simd::{AlignedVec, Cpu, Kernel, Simd};
use candle_core::Tensor;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

/// Factors between the parameters that an optimizer sees and those that the loss sees.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum ParamScale {
    /// One for all tensors.
    One(f64),
    /// One for each tensor, in leaf order.
    Each(Vec<f64>),
}

impl ParamScale {
    /// The factors of `num_tensors` tensors.
    /// # Errors
    /// `InvalidOption` if there are fewer or more, or one is not from 1e-12 to 1e12.
    pub fn factors(&self, num_tensors: usize) -> Result<Vec<f32>> {
        let factors = match self {
            Self::One(factor) => vec![*factor; num_tensors],
            Self::Each(factors) if factors.len() == num_tensors => factors.clone(),
            Self::Each(factors) => {
                return Err(Error::option(format!(
                    "task config: expected `paramScale` to have a number for each of {num_tensors} tensors, got {}",
                    factors.len()
                )));
            }
        };
        match factors.iter().find(|factor| !(1e-12..=1e12).contains(*factor)) {
            None => Ok(factors.into_iter().map(|factor| factor as f32).collect()),
            Some(factor) => Err(Error::option(format!(
                "task config: expected `paramScale` to be from 1e-12 to 1e12, got {factor}"
            ))),
        }
    }
}

/// A task around a task.
pub struct ScaledTask {
    inner: Arc<dyn Task>,
    spec: TaskSpec,
    factors: Arc<Factors>,
}

impl ScaledTask {
    /// `inner` with scaled parameters.
    /// # Errors
    /// `InvalidOption` if the factors are not as many as the tensors, or out of range.
    pub fn new(inner: Arc<dyn Task>, scale: &ParamScale) -> Result<Self> {
        let layout = inner.spec().params.clone();
        let by_tensor = scale.factors(layout.num_tensors())?;
        let spec = TaskSpec { scales: Some(by_tensor.clone()), ..inner.spec().clone() };
        Ok(Self { inner, spec, factors: Arc::new(Factors { layout, by_tensor }) })
    }
}

impl Task for ScaledTask {
    fn spec(&self) -> &TaskSpec {
        &self.spec
    }

    fn sample(&self, cpu: Cpu, split: Split, key: Key, index: u64, batch: &mut Batch) {
        self.inner.sample(cpu, split, key, index, batch);
    }

    fn graph(&self, params: &[Tensor], batch: &Batch) -> candle_core::Result<Tensor> {
        let factors = self.factors.by_tensor.iter().map(|&factor| f64::from(factor));
        let scaled = params.iter().zip(factors).map(|(param, factor)| param * factor);
        self.inner.graph(&scaled.collect::<candle_core::Result<Vec<_>>>()?, batch)
    }

    fn plan(&self) -> Box<dyn Plan> {
        Box::new(ScaledPlan {
            inner: self.inner.plan(),
            params: AlignedVec::zeros(self.factors.layout.padded_len()),
            factors: self.factors.clone(),
        })
    }

    fn has_answers(&self) -> bool {
        self.inner.has_answers()
    }
}

/// A factor for every tensor of a layout.
struct Factors {
    layout: ParamLayout,
    by_tensor: Vec<f32>,
}

struct ScaledPlan {
    inner: Box<dyn Plan>,
    factors: Arc<Factors>,
    /// w·s.
    params: AlignedVec,
}

impl ScaledPlan {
    fn scale(&mut self, cpu: Cpu, params: &[f32]) {
        self.params.copy_from_slice(params);
        cpu.run(Multiply { factors: &self.factors, values: &mut self.params });
    }
}

impl Plan for ScaledPlan {
    fn loss(&mut self, cpu: Cpu, params: &[f32], batch: &Batch) -> f32 {
        self.scale(cpu, params);
        self.inner.loss(cpu, &self.params, batch)
    }

    fn loss_and_grad(&mut self, cpu: Cpu, params: &[f32], batch: &Batch, grads: &mut [f32]) -> f32 {
        self.scale(cpu, params);
        let loss = self.inner.loss_and_grad(cpu, &self.params, batch, grads);
        cpu.run(Multiply { factors: &self.factors, values: grads });
        loss
    }

    fn error_rate(&mut self, cpu: Cpu, params: &[f32], batch: &Batch) -> f32 {
        self.scale(cpu, params);
        self.inner.error_rate(cpu, &self.params, batch)
    }
}

/// Multiplies padded values by the factors of their tensors.
struct Multiply<'a> {
    factors: &'a Factors,
    values: &'a mut [f32],
}

impl Kernel for Multiply<'_> {
    type Output = ();

    /// One product an element: the same bits however the compiler spreads it over lanes.
    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let Factors { layout, by_tensor } = self.factors;
        for (i, &factor) in by_tensor.iter().enumerate() {
            for value in &mut self.values[layout.range(i)] {
                *value *= factor;
            }
        }
    }
}
