//! Who computes a step: one thread, or several that share its blocks.

use super::{Cpu, FlushDenormals};
use rayon::prelude::*;
use std::ops::Range;

/// A backend, and threads to share work among. Work is cut into the same blocks for any number of threads, and blocks
/// share no sums, so results do not depend on it.
#[derive(Clone, Copy)]
pub struct Workers<'a> {
    cpu: Cpu,
    pool: Option<&'a rayon::ThreadPool>,
}

impl<'a> Workers<'a> {
    /// The calling thread alone, as a lane has it.
    pub fn one(cpu: Cpu) -> Self {
        Self { cpu, pool: None }
    }

    /// The threads of `pool`.
    pub fn of(cpu: Cpu, pool: &'a rayon::ThreadPool) -> Self {
        Self { cpu, pool: (pool.current_num_threads() > 1).then_some(pool) }
    }

    /// The backend.
    pub fn cpu(self) -> Cpu {
        self.cpu
    }

    /// How many blocks are done at a time.
    pub fn num_threads(self) -> usize {
        self.pool.map_or(1, rayon::ThreadPool::current_num_threads)
    }

    /// Calls `f` for every part of `chunk` elements of a range. On one thread the range may come as a whole, so `f` must
    /// give the same result for a range as for its parts.
    pub fn chunks(self, range: Range<usize>, chunk: usize, f: impl Fn(Cpu, Range<usize>) + Sync) {
        match self.pool {
            Some(_) if range.len() > chunk => self.each(range.len().div_ceil(chunk), |i| {
                let from = range.start + i * chunk;
                f(self.cpu, from..(from + chunk).min(range.end));
            }),
            _ => f(self.cpu, range),
        }
    }

    /// `out[i] = f(i)`, in any order.
    pub fn fill<T: Send>(self, out: &mut [T], f: impl Fn(usize) -> T + Sync) {
        self.each_mut(out, |i, out| *out = f(i));
    }

    /// Calls `f` for every item and its number, in any order.
    pub fn each_mut<T: Send>(self, items: &mut [T], f: impl Fn(usize, &mut T) + Sync) {
        match self.pool {
            Some(pool) if items.len() > 1 => pool.install(|| {
                items.par_iter_mut().enumerate().with_max_len(1).for_each(|(i, item)| {
                    let _flush = FlushDenormals::on();
                    f(i, item);
                });
            }),
            _ => items.iter_mut().enumerate().for_each(|(i, item)| f(i, item)),
        }
    }

    /// Calls `f` for every number below `count`, in any order.
    pub fn each(self, count: usize, f: impl Fn(usize) + Sync) {
        match self.pool {
            Some(pool) if count > 1 => pool.install(|| {
                (0..count).into_par_iter().with_max_len(1).for_each(|i| {
                    let _flush = FlushDenormals::on();
                    f(i);
                });
            }),
            _ => (0..count).for_each(f),
        }
    }
}
