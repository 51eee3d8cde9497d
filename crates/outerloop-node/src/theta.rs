//! Layouts of theta and of task parameters.

use crate::dataset::{NativeDataset, collect};
use crate::error::{Result, error, guard, to_js};
use napi::bindgen_prelude::{ClassInstance, Float32Array};
use napi_derive::napi;
use outerloop_core::error::ErrorCode;
use outerloop_core::memory::MemoryLimit;
use outerloop_core::params::TensorSpec;
use outerloop_core::rng::{Key, Purpose};
use outerloop_core::task::{TaskConfig, build_task};
use outerloop_core::zoo::{OptimizerConfig, build_optimizer};

/// Name and shape of a tensor.
#[napi(object)]
pub struct NativeTensorSpec {
    /// Path, joined by `/`.
    pub name: String,
    /// Row-major shape.
    pub shape: Vec<u32>,
}

/// A tensor's name and shape as JavaScript sees them.
pub fn to_native(spec: &TensorSpec) -> NativeTensorSpec {
    NativeTensorSpec { name: spec.name.clone(), shape: spec.shape.iter().map(|&d| d as u32).collect() }
}

/// Leaves of an optimizer's theta in flat order; empty for a hand-designed one.
#[napi]
pub fn theta_layout(optimizer: String) -> Result<Vec<NativeTensorSpec>> {
    guard(|| {
        let optimizer = build(&optimizer)?;
        Ok(optimizer.theta_spec().leaves.iter().map(|(leaf, _)| to_native(leaf)).collect())
    })
}

/// Candidate `index` of the first thetas that `seed` names.
#[napi]
pub fn init_theta(optimizer: String, seed: f64, index: u32) -> Result<Float32Array> {
    guard(|| {
        let key = Key::new(seed as u64, Purpose::ThetaInit).fold(u64::from(index));
        let optimizer = build(&optimizer)?;
        let theta = optimizer.theta_spec();
        let subject = format!("theta of {} weights", theta.len());
        MemoryLimit::DEFAULT
            .check(ErrorCode::InvalidOption, subject, 4 * theta.len() as u64)
            .map_err(to_js)?;
        Ok(Float32Array::new(theta.init(key)))
    })
}

/// Parameter tensors of a task.
#[napi]
pub fn task_params(
    task: String,
    datasets: Vec<ClassInstance<'_, NativeDataset>>,
) -> Result<Vec<NativeTensorSpec>> {
    guard(|| {
        let config = TaskConfig::from_json(&task).map_err(to_js)?;
        let task = build_task(&config, &collect(&datasets)?).map_err(to_js)?;
        Ok(task.spec().params.specs().iter().map(to_native).collect())
    })
}

/// The optimizer of a JSON config.
pub fn build(optimizer: &str) -> Result<std::sync::Arc<dyn outerloop_core::optim::Optimizer>> {
    OptimizerConfig::from_json(optimizer).and_then(|config| build_optimizer(&config)).map_err(to_js)
}

/// All optimizers with the table of their options, as JSON: what the build makes schemas, types and documentation of.
#[napi]
pub fn describe_optimizers() -> Result<String> {
    guard(|| {
        serde_json::to_string(&OptimizerConfig::describe_all())
            .map_err(|e| error(ErrorCode::Internal, e.to_string()))
    })
}
