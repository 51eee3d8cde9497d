//! Optimizers applied to typed arrays of JavaScript, in place.

use crate::error::{Code, Result, error, guard, to_js};
use crate::theta::NativeTensorSpec;
use napi::bindgen_prelude::{Error, Float32Array};
use napi_derive::napi;
use outerloop_core::apply::{Applied, ApplyOptions, NonFinite, Report};
use outerloop_core::error::ErrorCode;
use outerloop_core::optim::{Optimizer, OptimizerConfig, Scale, Theta, build_optimizer};
use outerloop_core::params::TensorSpec;
use outerloop_core::simd::Cpu;
use serde::Deserialize;
use std::sync::Arc;

/// An optimizer and its theta.
#[napi]
pub struct NativeOptimizer {
    optimizer: Arc<dyn Optimizer>,
    theta: Theta,
}

/// What an optimizer wants to be told.
#[napi(object)]
pub struct NativeNeeds {
    /// The loss at every step.
    pub loss: bool,
    /// The number of steps.
    pub num_steps: bool,
    /// Steps from one validation loss to the next.
    pub valid_every: Option<u32>,
}

/// What a step did.
#[napi(object)]
pub struct NativeReport {
    /// Whether parameters and state have changed.
    pub is_applied: bool,
    /// Gradient elements that were set to zero.
    pub num_zeroed: u32,
    /// Tensors whose gradient was scaled down.
    pub num_held: u32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Options {
    num_steps: Option<u64>,
    non_finite: NonFinite,
    threads: usize,
    cpu: Option<String>,
}

#[napi]
impl NativeOptimizer {
    /// From a JSON config and its theta, which is copied once; empty for a hand-designed optimizer.
    #[napi(constructor)]
    pub fn new(config: String, theta: &[f32]) -> Result<Self> {
        guard(|| {
            let optimizer =
                OptimizerConfig::from_json(&config).and_then(|c| build_optimizer(&c)).map_err(to_js)?;
            let expected = optimizer.theta_spec().len();
            if theta.len() != expected {
                let message = format!("theta: expected {expected} weights, got {}", theta.len());
                return Err(error(ErrorCode::ShapeMismatch, message));
            }
            Ok(Self { optimizer, theta: Theta::from(theta) })
        })
    }

    /// What it wants to be told.
    #[napi]
    pub fn needs(&self) -> NativeNeeds {
        let needs = self.optimizer.needs();
        NativeNeeds {
            loss: needs.loss,
            num_steps: needs.num_steps,
            valid_every: needs.valid_every.and_then(|n| u32::try_from(n).ok()),
        }
    }

    /// Floats of state a parameter of a large matrix.
    #[napi]
    pub fn state_floats(&self) -> u32 {
        self.optimizer.cost().state_floats as u32
    }

    /// A copy of theta.
    #[napi]
    pub fn theta(&self) -> Float32Array {
        Float32Array::new(self.theta.to_vec())
    }

    /// The optimizer for tensors of the given shapes, with its first state.
    #[napi]
    pub fn init(
        &self,
        specs: Vec<NativeTensorSpec>,
        params: Vec<Float32Array>,
        options: String,
    ) -> Result<NativeApplied> {
        guard(|| {
            let options: Options = serde_json::from_str(&options)
                .map_err(|e| error(ErrorCode::InvalidOption, format!("init: {e}")))?;
            let options = ApplyOptions {
                num_steps: options.num_steps,
                non_finite: options.non_finite,
                threads: options.threads,
                cpu: Cpu::choose(options.cpu.as_deref()).map_err(to_js)?,
            };
            let spec = |s: NativeTensorSpec| {
                TensorSpec::new(s.name, s.shape.iter().map(|&d| d as usize).collect::<Vec<_>>())
            };
            let specs = specs.into_iter().map(spec).collect();
            let params: Vec<&[f32]> = params.iter().map(|p| &p[..]).collect();
            let applied = Applied::new(self.optimizer.clone(), self.theta.clone(), specs, &params, options);
            Ok(NativeApplied { applied: Some(applied.map_err(to_js)?) })
        })
    }
}

/// An optimizer at work.
#[napi]
pub struct NativeApplied {
    applied: Option<Applied>,
}

#[napi]
impl NativeApplied {
    /// One step, in place.
    #[napi]
    pub fn step(
        &mut self,
        mut params: Vec<Float32Array>,
        grads: Vec<Float32Array>,
        loss: Option<f64>,
        valid: Option<f64>,
    ) -> Result<NativeReport> {
        guard(|| {
            check_overlaps(&params, &grads)?;
            // SAFETY: no two arrays share memory, and JavaScript does not run until this call returns.
            let mut params: Vec<&mut [f32]> = params.iter_mut().map(|p| unsafe { p.as_mut() }).collect();
            let grads: Vec<&[f32]> = grads.iter().map(|g| &g[..]).collect();
            let (loss, valid) = (loss.map(|x| x as f32), valid.map(|x| x as f32));
            let report = self.open()?.step(&mut params, &grads, loss, valid, Scale::ONE).map_err(to_js)?;
            let Report { is_applied, num_zeroed, num_held } = report;
            Ok(NativeReport { is_applied, num_zeroed: num_zeroed as u32, num_held: num_held as u32 })
        })
    }

    /// Updates done.
    #[napi]
    pub fn iteration(&mut self) -> Result<f64> {
        Ok(self.open()?.state().iteration as f64)
    }

    /// Updates that there will be; 0 if nobody said.
    #[napi]
    pub fn num_steps(&mut self) -> Result<f64> {
        Ok(self.open()?.state().num_steps as f64)
    }

    /// The numbers of the state.
    #[napi]
    pub fn save(&mut self) -> Result<Float32Array> {
        Ok(Float32Array::new(self.open()?.state().data.to_vec()))
    }

    /// Takes over what [`NativeApplied::save`] gave.
    #[napi]
    pub fn load(&mut self, data: &[f32], iteration: f64, num_steps: f64) -> Result<()> {
        guard(|| self.open()?.set_state(data, iteration as u64, num_steps as u64).map_err(to_js))
    }

    /// Frees the memory. May be called twice.
    #[napi]
    pub fn close(&mut self) {
        self.applied = None;
    }
}

impl NativeApplied {
    fn open(&mut self) -> Result<&mut Applied> {
        self.applied
            .as_mut()
            .ok_or_else(|| error(ErrorCode::Closed, "expected an open optimizer state, got a closed one"))
    }
}

/// Parameters are written while the others are read: no array may share memory with a parameter.
fn check_overlaps(params: &[Float32Array], grads: &[Float32Array]) -> std::result::Result<(), Error<Code>> {
    let place = |x: &Float32Array| (x.as_ptr() as usize, x.as_ptr() as usize + size_of_val(&x[..]));
    let mut places: Vec<_> = params.iter().map(|p| (place(p), true)).collect();
    places.extend(grads.iter().map(|g| (place(g), false)));
    places.sort_unstable();
    // The end and kind of what reaches furthest so far; a gradient inside a gradient does no harm.
    let (mut param_end, mut any_end) = (0, 0);
    for ((start, end), is_param) in places {
        if start < end && (start < param_end || (is_param && start < any_end)) {
            let message =
                "update: expected arrays that share no memory, got a parameter inside another array";
            return Err(error(ErrorCode::InvalidOption, message));
        }
        any_end = any_end.max(end);
        if is_param {
            param_end = param_end.max(end);
        }
    }
    Ok(())
}
