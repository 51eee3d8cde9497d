//! Which threads of a pool have nothing to do.

use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the threads at work on the items of one call, so that an item under way can give a part of itself to a thread that
/// has no item left to begin. Only how fast the call is depends on the counts.
#[derive(Debug)]
pub(super) struct Occupancy {
    threads: usize,
    /// Items that no thread has begun.
    waiting: AtomicUsize,
    /// Threads at work.
    busy: AtomicUsize,
}

impl Occupancy {
    /// `items` to be done by `threads`.
    pub(super) fn new(threads: usize, items: usize) -> Self {
        Self { threads, waiting: AtomicUsize::new(items), busy: AtomicUsize::new(0) }
    }

    /// A thread begins an item.
    pub(super) fn begin(&self) {
        self.busy.fetch_add(1, Ordering::Relaxed);
        self.waiting.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether a thread has nothing to do and nothing to begin. It counts as being at work from then on.
    pub(super) fn claim(&self) -> bool {
        let one_more = |busy: usize| (busy < self.threads).then_some(busy + 1);
        self.waiting.load(Ordering::Relaxed) == 0
            && self.busy.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).is_ok()
    }

    /// A thread is done with an item, or with what it was claimed for.
    pub(super) fn end(&self) {
        self.busy.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_threads_without_an_item_are_claimed() {
        let occupancy = Occupancy::new(3, 2);
        occupancy.begin();
        assert!(!occupancy.claim(), "an item waits");
        occupancy.begin();
        assert!(occupancy.claim());
        assert!(!occupancy.claim(), "all are at work");
        occupancy.end();
        assert!(occupancy.claim());
        occupancy.end();
        occupancy.end();
        assert!(occupancy.claim() && occupancy.claim() && !occupancy.claim());
    }
}
