//! What long work shares: a private pool, cancellation, progress.

use crate::error::{Error, ErrorCode, Result};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// How a caller watches and stops long work.
#[derive(Debug, Default)]
pub struct JobControl {
    cancelled: AtomicBool,
    done: AtomicU64,
}

impl JobControl {
    /// Asks the work to stop; every lane does so before its next inner step.
    pub fn cancel(&self) {
        self.cancelled.store(true, Ordering::Relaxed);
    }

    /// Inner steps done so far, over all lanes; each tells of its own a few at a time.
    pub fn inner_steps(&self) -> u64 {
        self.done.load(Ordering::Relaxed)
    }

    pub(super) fn add(&self, inner_steps: u64) {
        self.done.fetch_add(inner_steps, Ordering::Relaxed);
    }

    pub(super) fn check(&self) -> Result<()> {
        if self.cancelled.load(Ordering::Relaxed) {
            return Err(Error::new(ErrorCode::Aborted, "the work was aborted"));
        }
        Ok(())
    }
}

/// A private pool of `threads` threads.
/// # Errors
/// `InvalidOption` if `threads` is 0 or above 1,024; `Internal` if the system refuses the threads.
pub fn thread_pool(threads: usize) -> Result<rayon::ThreadPool> {
    if !(1..=1024).contains(&threads) {
        return Err(Error::option(format!("expected `threads` to be 1 to 1024, got {threads}")));
    }
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .thread_name(|i| format!("outerloop-{i}"))
        .build()
        .map_err(|e| {
            Error::new(ErrorCode::Internal, format!("cannot start {threads} threads: {e}")).caused_by(e)
        })
}
