//! Long work on its own thread, with progress and cancellation.

use crate::error::{Result, guard, into_rejection};
use napi::bindgen_prelude::{Env, Error, Function, Object, Status, ToNapiValue};
use napi::threadsafe_function::{ThreadsafeFunction, ThreadsafeFunctionCallMode};
use napi_derive::napi;
use outerloop_core::unroll::JobControl;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Time between two progress calls.
const TICK: Duration = Duration::from_millis(100);

/// Not error-first, weak (does not keep the process alive), at most 16 waiting calls.
type ProgressFn = ThreadsafeFunction<f64, (), f64, Status, false, true, 16>;

/// Stops the jobs it was given to.
#[napi]
#[derive(Default)]
pub struct NativeCancelToken {
    pub(crate) control: Arc<JobControl>,
}

#[napi]
impl NativeCancelToken {
    /// A token that has not been used.
    #[napi(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks the jobs to stop: they reject with code `ABORTED`.
    #[napi]
    pub fn cancel(&self) {
        self.control.cancel();
    }
}

/// Runs `work` on its own thread and settles a promise with `convert` of what it returns.
pub fn spawn<'env, T: Send + 'static, R: ToNapiValue + 'static>(
    env: &'env Env,
    token: &NativeCancelToken,
    on_progress: Option<Function<'env, f64, ()>>,
    work: impl FnOnce(&JobControl) -> Result<T> + Send + 'static,
    convert: impl FnOnce(Env, T) -> napi::Result<R> + Send + 'static,
) -> napi::Result<Object<'env>> {
    let control = token.control.clone();
    let progress: Option<ProgressFn> = on_progress
        .map(|f| f.build_threadsafe_function().weak::<true>().max_queue_size::<16>().build())
        .transpose()?;
    let (deferred, promise) = env.create_deferred()?;
    std::thread::Builder::new()
        .name("outerloop-job".into())
        .spawn(move || {
            let ticker = progress.and_then(|progress| Ticker::start(progress, control.clone()));
            let result = guard(|| {
                provoke_panic();
                work(&control)
            });
            drop(ticker);
            deferred.resolve(move |env| match result {
                Ok(value) => convert(env, value),
                Err(e) => Err(into_rejection(env, e)),
            });
        })
        .map_err(|e| Error::from_reason(format!("cannot start a thread: {e}")))?;
    Ok(promise)
}

/// In builds for tests: a real panic inside a job, asked for through the environment.
fn provoke_panic() {
    #[cfg(feature = "test-hooks")]
    if let Ok(index) = std::env::var("OUTERLOOP_PROVOKE_PANIC") {
        let empty: Vec<u32> = vec![];
        let _ = std::hint::black_box(&empty)[index.len()];
    }
}

/// Reports progress until dropped.
struct Ticker {
    is_done: Arc<AtomicBool>,
    thread: std::thread::JoinHandle<()>,
}

impl Ticker {
    fn start(progress: ProgressFn, control: Arc<JobControl>) -> Option<Self> {
        let is_done = Arc::new(AtomicBool::new(false));
        let seen = is_done.clone();
        let thread = std::thread::Builder::new().name("outerloop-progress".into()).spawn(move || {
            while !seen.load(Ordering::Acquire) {
                std::thread::park_timeout(TICK);
                // A full queue is fine: the next call tells more.
                let _ = progress.call(control.inner_steps() as f64, ThreadsafeFunctionCallMode::NonBlocking);
            }
        });
        // Without a thread to spare the work still gets done.
        thread.ok().map(|thread| Self { is_done, thread })
    }
}

impl Drop for Ticker {
    fn drop(&mut self) {
        self.is_done.store(true, Ordering::Release);
        self.thread.thread().unpark();
    }
}
