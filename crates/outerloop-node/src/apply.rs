//! Optimizers applied to typed arrays of JavaScript, in place.

use crate::error::{Code, Result, error, guard, to_js};
use crate::memory::{Account, reclaim};
use crate::theta::{NativeTensorSpec, build, to_native};
use napi::bindgen_prelude::{Env, Error, Float32Array, ObjectFinalize, This};
use napi_derive::napi;
use outerloop_core::apply::{Applied, ApplyOptions, NonFinite, Report};
use outerloop_core::error::ErrorCode;
use outerloop_core::optim::{Optimizer, Scale, Theta};
use outerloop_core::params::{ParamLayout, TensorSpec};
use outerloop_core::simd::Cpu;
use outerloop_core::zoo::{OptimizerConfig, build_optimizer};
use serde::Deserialize;
use std::cell::RefCell;
use std::rc::Rc;
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
        env: &Env,
        specs: Vec<NativeTensorSpec>,
        params: Vec<Float32Array>,
        options: String,
    ) -> Result<NativeApplied> {
        reclaim(env);
        guard(|| {
            let options: Options = serde_json::from_str(&options)
                .map_err(|e| error(ErrorCode::InvalidOption, format!("init: {e}")))?;
            let options = ApplyOptions {
                num_steps: options.num_steps,
                non_finite: options.non_finite,
                threads: options.threads,
                cpu: Cpu::choose(options.cpu.as_deref()).map_err(to_js)?,
            };
            let specs: Vec<_> = specs.into_iter().map(from_native).collect();
            check_overlaps("init", &specs, &params, &[])?;
            let params: Vec<&[f32]> = params.iter().map(|p| &p[..]).collect();
            let applied = Applied::new(self.optimizer.clone(), self.theta.clone(), specs, &params, options);
            let applied = Rc::new(RefCell::new(Some(applied.map_err(to_js)?)));
            Ok(NativeApplied { applied, account: None })
        })
    }
}

/// Names and shapes of the arrays of an optimizer's state for tensors of the given shapes.
#[napi]
pub fn state_layout(optimizer: String, specs: Vec<NativeTensorSpec>) -> Result<Vec<NativeTensorSpec>> {
    guard(|| {
        let params = ParamLayout::new(specs.into_iter().map(from_native).collect()).map_err(to_js)?;
        let layout = build(&optimizer)?.state_layout(&params);
        Ok(layout.iter().flat_map(ParamLayout::specs).map(to_native).collect())
    })
}

fn from_native(spec: NativeTensorSpec) -> TensorSpec {
    TensorSpec::new(spec.name, spec.shape.iter().map(|&d| d as usize).collect::<Vec<_>>())
}

/// An optimizer at work.
#[napi(custom_finalize)]
pub struct NativeApplied {
    /// None once it is closed.
    applied: Rc<RefCell<Option<Applied>>>,
    account: Option<Account>,
}

impl ObjectFinalize for NativeApplied {
    fn finalize(mut self, env: Env) -> napi::Result<()> {
        self.close(&env);
        Ok(())
    }
}

#[napi]
impl NativeApplied {
    /// Tells V8 of the memory that `this` holds.
    #[napi]
    pub fn watch(&mut self, env: &Env, this: This<'_>) -> Result<()> {
        let bytes = self.with(|applied| Ok(applied.num_bytes()))?;
        let applied = self.applied.clone();
        let free = move || drop(applied.take());
        self.account = Some(Account::open(env, &this, bytes, free));
        Ok(())
    }

    /// One step, in place, `scale` times as long; tensors without a gradient are left alone.
    #[napi]
    pub fn step(
        &mut self,
        env: &Env,
        mut params: Vec<Float32Array>,
        grads: Vec<Option<Float32Array>>,
        loss: Option<f64>,
        valid: Option<f64>,
        scale: f64,
    ) -> Result<NativeReport> {
        guard(|| {
            self.with(|applied| {
                check_overlaps("update", applied.layout().specs(), &params, &grads)?;
                // SAFETY: no two arrays share memory, and JavaScript does not run until this call returns.
                let mut params: Vec<&mut [f32]> = params.iter_mut().map(|p| unsafe { p.as_mut() }).collect();
                let losses = [loss, valid].map(|x| x.map(|x| x as f32));
                let all: Option<Vec<&[f32]>> = grads.iter().map(|g| g.as_deref()).collect();
                let report = match all {
                    Some(grads) => {
                        let scale = Scale::ONE.times(scale as f32);
                        applied.step(&mut params, &grads, losses[0], losses[1], scale)
                    }
                    None => {
                        let grads: Vec<Option<&[f32]>> = grads.iter().map(|g| g.as_deref()).collect();
                        applied.step_some(&mut params, &grads, losses, scale as f32)
                    }
                };
                report.map(to_report).map_err(to_js)
            })
        })
        .inspect(|_| self.account(env))
    }

    /// A step with gradients that were gathered and not used; `leaves_alone`: only of tensors that have some.
    #[napi]
    pub fn flush(
        &mut self,
        env: &Env,
        mut params: Vec<Float32Array>,
        scale: f64,
        leaves_alone: bool,
    ) -> Result<NativeReport> {
        guard(|| {
            self.with(|applied| {
                check_overlaps("flush", applied.layout().specs(), &params, &[])?;
                // SAFETY: as in `step`.
                let mut params: Vec<&mut [f32]> = params.iter_mut().map(|p| unsafe { p.as_mut() }).collect();
                let report = match leaves_alone {
                    true => applied.flush_some(&mut params, scale as f32),
                    false => applied.flush(&mut params, Scale::ONE.times(scale as f32)),
                };
                report.map(to_report).map_err(to_js)
            })
        })
        .inspect(|_| self.account(env))
    }

    /// Updates done.
    #[napi]
    pub fn iteration(&mut self) -> Result<f64> {
        self.with(|applied| Ok(applied.state().iteration as f64))
    }

    /// Updates that there will be; 0 if nobody said.
    #[napi]
    pub fn num_steps(&mut self) -> Result<f64> {
        self.with(|applied| Ok(applied.state().num_steps as f64))
    }

    /// The numbers of the state.
    #[napi]
    pub fn save(&mut self) -> Result<Float32Array> {
        self.with(|applied| Ok(Float32Array::new(applied.state().data.to_vec())))
    }

    /// Takes over what [`NativeApplied::save`] gave.
    #[napi]
    pub fn load(&mut self, data: &[f32], iteration: f64, num_steps: f64) -> Result<()> {
        guard(|| {
            self.with(|applied| applied.set_state(data, iteration as u64, num_steps as u64).map_err(to_js))
        })
    }

    /// Frees the memory. May be called twice.
    #[napi]
    pub fn close(&mut self, env: &Env) {
        self.applied.take();
        if let Some(account) = &self.account {
            account.update(env, 0);
        }
    }
}

impl NativeApplied {
    fn with<T>(&self, act: impl FnOnce(&mut Applied) -> Result<T>) -> Result<T> {
        let closed = || error(ErrorCode::Closed, "expected an open optimizer state, got a closed one");
        act(self.applied.borrow_mut().as_mut().ok_or_else(closed)?)
    }

    /// Copies of tensors may have been made.
    fn account(&self, env: &Env) {
        if let (Some(account), Some(applied)) = (&self.account, &*self.applied.borrow()) {
            account.update(env, applied.num_bytes());
        }
    }
}

fn to_report(report: Report) -> NativeReport {
    let Report { is_applied, num_zeroed, num_held } = report;
    NativeReport { is_applied, num_zeroed: num_zeroed as u32, num_held: num_held as u32 }
}

/// Parameters are written while the others are read: no array may share memory with a parameter.
fn check_overlaps(
    call: &str,
    specs: &[TensorSpec],
    params: &[Float32Array],
    grads: &[Option<Float32Array>],
) -> std::result::Result<(), Error<Code>> {
    let place = |x: &Float32Array| (x.as_ptr() as usize, x.as_ptr() as usize + size_of_val(&x[..]));
    let mut places: Vec<_> = params.iter().enumerate().map(|(i, p)| (place(p), true, i)).collect();
    places.extend(grads.iter().enumerate().filter_map(|(i, g)| Some((place(g.as_ref()?), false, i))));
    places.sort_unstable();
    // What reaches furthest so far; a gradient inside a gradient does no harm.
    let (mut param, mut any) = ((0, true, 0), (0, true, 0));
    for ((start, end), is_param, i) in places {
        let met = if is_param { any } else { param };
        if start < end && start < met.0 {
            let name = |is_param: bool, i: usize| {
                let tensor = specs.get(i).map_or("?", |spec| spec.name.as_str());
                if is_param { format!("params.{tensor}") } else { format!("grads.{tensor}") }
            };
            let (a, b) = (name(met.1, met.2), name(is_param, i));
            let message = format!("{call}: expected arrays that share no memory, got `{a}` and `{b}` in one");
            return Err(error(ErrorCode::InvalidOption, message));
        }
        any = any.max((end, is_param, i));
        if is_param {
            param = param.max((end, is_param, i));
        }
    }
    Ok(())
}
