//! Whole training runs.

use crate::dataset::{NativeDataset, collect};
use crate::error::to_js;
use crate::job::{NativeCancelToken, spawn};
use crate::json::parse;
use crate::memory::limit;
use napi::bindgen_prelude::{ClassInstance, Env, Float32Array, Float64Array, Function, Object};
use napi_derive::napi;
use outerloop_core::optim::Theta;
use outerloop_core::simd::Cpu;
use outerloop_core::unroll::{CurveJob, run_curves as run, thread_pool};

/// A finished run.
#[napi(object)]
pub struct NativeCurve {
    /// Inner steps of the evaluations.
    pub steps: Float64Array,
    /// Losses, one row a split in the job's order.
    pub losses: Vec<Float64Array>,
    /// Mean normalised minibatch loss before each update.
    pub mean_train_loss: f64,
    /// Whether it diverged.
    pub is_diverged: bool,
}

/// What runs the jobs.
#[napi(object)]
pub struct NativeCurveOptions {
    /// Threads of the pool.
    pub threads: u32,
    /// Name of the backend, or `auto`, which is the default.
    pub cpu: Option<String>,
    /// Most memory that the jobs may take. Default 8 GiB.
    pub max_memory_bytes: Option<f64>,
}

/// Runs the JSON jobs.
#[napi(ts_return_type = "Promise<Array<NativeCurve>>")]
pub fn run_curves<'env>(
    env: &'env Env,
    jobs: String,
    thetas: Vec<Float32Array>,
    datasets: Vec<ClassInstance<'env, NativeDataset>>,
    options: NativeCurveOptions,
    token: &NativeCancelToken,
    on_progress: Option<Function<'env, f64, ()>>,
) -> napi::Result<Object<'env>> {
    let (thetas, datasets) =
        (thetas.iter().map(|theta| Theta::from(&theta[..])).collect::<Vec<_>>(), collect(&datasets));
    spawn(
        env,
        token,
        on_progress,
        move |control| {
            let jobs: Vec<CurveJob> = parse("run", &jobs)?;
            let num_splits: Vec<usize> = jobs.iter().map(|job| job.splits.len()).collect();
            let pool = thread_pool(options.threads as usize).map_err(to_js)?;
            let cpu = Cpu::choose(options.cpu.as_deref()).map_err(to_js)?;
            let limit = limit(options.max_memory_bytes);
            let curves = run(&jobs, &thetas, &datasets?, &pool, cpu, limit, control).map_err(to_js)?;
            Ok(curves.into_iter().zip(num_splits).collect::<Vec<_>>())
        },
        |_, curves| {
            Ok(curves
                .into_iter()
                .map(|(curve, num_splits)| NativeCurve {
                    steps: Float64Array::new(curve.points.iter().map(|p| p.inner_step as f64).collect()),
                    losses: (0..num_splits)
                        .map(|s| Float64Array::new(curve.points.iter().map(|p| p.losses[s]).collect()))
                        .collect(),
                    mean_train_loss: curve.mean_train_loss,
                    is_diverged: curve.status.is_diverged(),
                })
                .collect::<Vec<_>>())
        },
    )
}
