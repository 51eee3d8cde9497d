//! Threads that all states in a process share: an application may hold many optimizers.

use crate::error::Result;
use crate::unroll::thread_pool;
use rayon::ThreadPool;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

/// Pools by number of threads, as long as somebody holds them.
static POOLS: Mutex<Option<HashMap<usize, Weak<ThreadPool>>>> = Mutex::new(None);

/// The pool of `threads` threads.
/// # Errors
/// As [`thread_pool`].
pub(super) fn shared_pool(threads: usize) -> Result<Arc<ThreadPool>> {
    let mut pools = POOLS.lock().unwrap_or_else(PoisonError::into_inner);
    let pools = pools.get_or_insert_default();
    if let Some(pool) = pools.get(&threads).and_then(Weak::upgrade) {
        return Ok(pool);
    }
    let pool = Arc::new(thread_pool(threads)?);
    pools.retain(|_, pool| pool.strong_count() > 0);
    pools.insert(threads, Arc::downgrade(&pool));
    Ok(pool)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pools_are_shared_while_they_are_held() {
        let (a, b) = (shared_pool(2).expect("threads"), shared_pool(2).expect("threads"));
        assert!(Arc::ptr_eq(&a, &b));
        assert!(!Arc::ptr_eq(&a, &shared_pool(3).expect("threads")));
        assert!(shared_pool(0).is_err());
    }
}
