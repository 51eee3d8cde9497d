//! The unroller as a handle with an explicit end of life.

use crate::dataset::{NativeDataset, collect};
use crate::error::{Result, error, guard, to_js};
use crate::job::{NativeCancelToken, spawn};
use crate::json::parse;
use napi::bindgen_prelude::{
    ClassInstance, Env, Error, Float32Array, Float64Array, Function, Object, Uint8Array,
};
use napi_derive::napi;
use outerloop_core::error::ErrorCode;
use outerloop_core::simd::Cpu;
use outerloop_core::unroll::{AdvancePlan, PerturbationSums, PerturbationTerm, SegmentResult, Unroller};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What belongs to one run.
struct Run {
    unroller: Unroller,
    sums: PerturbationSums,
}

enum Slot {
    Idle(Box<Run>),
    Busy,
    Closed,
}

/// The inner problems of a run.
#[napi]
pub struct NativeUnroller {
    slot: Arc<Mutex<Slot>>,
}

/// Outcome of one truncation, one entry a planned segment.
#[napi(object)]
pub struct NativeAdvanceResult {
    /// Meta-loss under theta + ε.
    pub pos: Float64Array,
    /// Meta-loss under theta − ε.
    pub neg: Float64Array,
    /// 1 where the positive half has diverged, 2 where the negative, 3 where both.
    pub diverged: Uint8Array,
}

/// A weighted sum of perturbations.
#[napi(object)]
pub struct NativePerturbationSum {
    /// The sum.
    pub sum: Float32Array,
    /// Sum of the squared norms of the terms.
    pub squares: f64,
}

/// The inner problems between two truncations.
#[napi(object)]
pub struct NativeUnrollerState {
    /// JSON.
    pub description: String,
    /// Parameters and optimizer states.
    pub numbers: Float32Array,
}

fn lock(slot: &Mutex<Slot>) -> MutexGuard<'_, Slot> {
    slot.lock().unwrap_or_else(PoisonError::into_inner)
}

fn closed() -> Error<crate::error::Code> {
    error(ErrorCode::Closed, "expected an open unroller, got a closed one")
}

fn busy() -> Error<crate::error::Code> {
    error(ErrorCode::InvalidOption, "expected an idle unroller, got one that is still advancing")
}

/// The run while a job has it: goes back when dropped, also after a panic.
struct Borrowed {
    slot: Arc<Mutex<Slot>>,
    run: Option<Box<Run>>,
}

impl Borrowed {
    fn take(slot: &Arc<Mutex<Slot>>) -> Result<Self> {
        let mut held = lock(slot);
        match std::mem::replace(&mut *held, Slot::Busy) {
            Slot::Idle(run) => Ok(Self { slot: slot.clone(), run: Some(run) }),
            Slot::Busy => Err(busy()),
            Slot::Closed => {
                *held = Slot::Closed;
                Err(closed())
            }
        }
    }

    fn run(&mut self) -> Result<&mut Run> {
        self.run.as_deref_mut().ok_or_else(closed)
    }
}

impl Drop for Borrowed {
    fn drop(&mut self) {
        let mut held = lock(&self.slot);
        if let (Slot::Busy, Some(run)) = (&*held, self.run.take()) {
            *held = Slot::Idle(run);
        }
    }
}

#[napi]
impl NativeUnroller {
    /// An unroller from JSON options and data sets, on the backend that `cpu` names.
    #[napi(constructor)]
    pub fn new(
        options: String,
        datasets: Vec<ClassInstance<'_, NativeDataset>>,
        cpu: Option<String>,
    ) -> Result<Self> {
        guard(|| {
            let options: outerloop_core::unroll::UnrollerOptions = parse("unroller", &options)?;
            let cpu = Cpu::choose(cpu.as_deref()).map_err(to_js)?;
            let unroller = Unroller::new(&options, collect(&datasets)?, cpu).map_err(to_js)?;
            let sums = unroller.perturbation_sums();
            let run = Box::new(Run { unroller, sums });
            Ok(Self { slot: Arc::new(Mutex::new(Slot::Idle(run))) })
        })
    }

    /// Runs one truncation of the JSON plan's particles. `theta` is copied.
    #[napi(ts_return_type = "Promise<NativeAdvanceResult>")]
    pub fn advance<'env>(
        &self,
        env: &'env Env,
        theta: &[f32],
        plan: String,
        token: &NativeCancelToken,
        on_progress: Option<Function<'env, f64, ()>>,
    ) -> napi::Result<Object<'env>> {
        let (slot, theta) = (self.slot.clone(), theta.to_vec());
        let borrowed = Borrowed::take(&slot);
        spawn(
            env,
            token,
            on_progress,
            move |control| {
                let mut borrowed = borrowed?;
                let plan: AdvancePlan = parse("advance", &plan)?;
                borrowed.run()?.unroller.advance(&theta, &plan, control).map_err(to_js)
            },
            |_, results| {
                let losses = |f: fn(&SegmentResult) -> f64| results.iter().map(f).collect::<Vec<_>>();
                let diverged = results
                    .iter()
                    .map(|r| u8::from(r.pos.status.is_diverged()) + 2 * u8::from(r.neg.status.is_diverged()));
                Ok(NativeAdvanceResult {
                    pos: Float64Array::new(losses(|r| r.pos.meta_loss)),
                    neg: Float64Array::new(losses(|r| r.neg.meta_loss)),
                    diverged: Uint8Array::new(diverged.collect()),
                })
            },
        )
    }

    /// `std` times the weighted sum of the perturbations that the JSON terms name.
    #[napi(ts_return_type = "Promise<NativePerturbationSum>")]
    pub fn sum_perturbations<'env>(
        &self,
        env: &'env Env,
        std: f64,
        terms: String,
    ) -> napi::Result<Object<'env>> {
        let borrowed = Borrowed::take(&self.slot);
        spawn(
            env,
            &NativeCancelToken::new(),
            None,
            move |_| {
                let mut borrowed = borrowed?;
                let terms: Vec<PerturbationTerm> = parse("perturbation sum", &terms)?;
                let Run { unroller, sums } = borrowed.run()?;
                sums.weighted(unroller.pool(), std, &terms).map_err(to_js)
            },
            |_, sum| Ok(NativePerturbationSum { sum: Float32Array::new(sum.sum), squares: sum.squares }),
        )
    }

    /// The inner problems as they are now.
    #[napi]
    pub fn save_state(&self) -> Result<NativeUnrollerState> {
        guard(|| {
            let mut borrowed = Borrowed::take(&self.slot)?;
            let (description, numbers) = borrowed.run()?.unroller.save_state();
            Ok(NativeUnrollerState { description, numbers: Float32Array::new(numbers) })
        })
    }

    /// Takes up saved inner problems.
    #[napi]
    pub fn load_state(&self, description: String, numbers: &[f32]) -> Result<()> {
        guard(|| Borrowed::take(&self.slot)?.run()?.unroller.load_state(&description, numbers).map_err(to_js))
    }

    /// Frees the native memory; work under way still ends. May be called twice.
    #[napi]
    pub fn close(&self) {
        *lock(&self.slot) = Slot::Closed;
    }
}
