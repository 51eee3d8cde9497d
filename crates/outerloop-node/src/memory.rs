//! Native memory that JavaScript objects hold: V8 is told of it, and it is freed once V8 has collected the object.
//!
//! V8 collects when it knows of much memory, but Node runs finalizers only from the event loop: a loop that never leaves
//! JavaScript would free nothing. Every object here therefore has a weak reference of its own, which V8 clears when it
//! collects; whoever is about to allocate looks at them first ([`reclaim`]).

use napi::bindgen_prelude::{Env, JsValue, This};
use napi::sys;
use outerloop_core::memory::MemoryLimit;
use std::cell::{Cell, RefCell};
use std::rc::Rc;

/// Bytes after which the weak references are looked at again.
const RECLAIM_EVERY: i64 = 16 << 20;
/// Objects after which they are, whatever their sizes.
const MOST_NEW: usize = 256;
/// Bytes of new memory after which V8 is made to collect: it marks in idle time, which a busy loop has none of.
const COLLECT_EVERY: i64 = 256 << 20;
/// More than V8 lets external memory grow before it collects at once.
const PRESSURE: i64 = 1 << 44;

struct Watched {
    env: sys::napi_env,
    reference: sys::napi_ref,
    bytes: Rc<Cell<i64>>,
    free: Box<dyn Fn()>,
}

#[derive(Default)]
struct Objects {
    watched: Vec<Watched>,
    /// Bytes and objects since the references were looked at.
    new_bytes: i64,
    num_new: usize,
    /// Bytes since V8 was made to collect.
    uncollected: i64,
}

thread_local! {
    static OBJECTS: RefCell<Objects> = RefCell::default();
}

/// What V8 has been told of one object's memory.
pub struct Account {
    bytes: Rc<Cell<i64>>,
}

impl Account {
    /// Tells V8 of `bytes` that `object` holds and `free` frees, which may be called more than once.
    pub fn open(env: &Env, object: &This<'_>, bytes: usize, free: impl Fn() + 'static) -> Self {
        let bytes = i64::try_from(bytes).unwrap_or(i64::MAX);
        let account = Self { bytes: Rc::new(Cell::new(0)) };
        let mut reference = std::ptr::null_mut();
        // SAFETY: the object is alive during this call, and the reference does not keep it.
        let status =
            unsafe { sys::napi_create_reference(env.raw(), object.object.raw(), 0, &raw mut reference) };
        if status == sys::Status::napi_ok {
            let watched =
                Watched { env: env.raw(), reference, bytes: account.bytes.clone(), free: Box::new(free) };
            OBJECTS.with_borrow_mut(|objects| {
                objects.watched.push(watched);
                objects.num_new += 1;
            });
        }
        account.set(env, bytes);
        account
    }

    /// Tells V8 that it is another number of bytes now.
    pub fn update(&self, env: &Env, bytes: usize) {
        self.set(env, i64::try_from(bytes).unwrap_or(i64::MAX));
    }

    fn set(&self, env: &Env, bytes: i64) {
        let change = bytes - self.bytes.replace(bytes);
        OBJECTS.with_borrow_mut(|objects| {
            objects.new_bytes += change.max(0);
            objects.uncollected += change.max(0);
        });
        adjust(env, change);
    }
}

/// Frees what collected objects have left, if there may be much.
pub fn reclaim(env: &Env) {
    let (is_due, is_pressing) = OBJECTS.with_borrow_mut(|objects| {
        let is_pressing = objects.uncollected >= COLLECT_EVERY;
        if is_pressing {
            objects.uncollected = 0;
        }
        let is_due = is_pressing || objects.new_bytes >= RECLAIM_EVERY || objects.num_new >= MOST_NEW;
        if is_due {
            (objects.new_bytes, objects.num_new) = (0, 0);
        }
        (is_due, is_pressing)
    });
    if is_pressing {
        adjust(env, PRESSURE);
        adjust(env, -PRESSURE);
    }
    if !is_due {
        return;
    }
    let dead: Vec<_> = OBJECTS.with_borrow_mut(|objects| {
        let is_dead = |w: &mut Watched| w.env == env.raw() && is_collected(w);
        objects.watched.extract_if(.., is_dead).collect()
    });
    for Watched { reference, bytes, free, .. } in dead {
        free();
        adjust(env, -bytes.replace(0));
        // SAFETY: it was made in this environment, and nobody else has it.
        let _ = unsafe { sys::napi_delete_reference(env.raw(), reference) };
    }
}

fn is_collected(watched: &Watched) -> bool {
    let mut value = std::ptr::null_mut();
    // SAFETY: the reference is of this environment and not deleted.
    let status = unsafe { sys::napi_get_reference_value(watched.env, watched.reference, &raw mut value) };
    status == sys::Status::napi_ok && value.is_null()
}

fn adjust(env: &Env, change: i64) {
    if change != 0 {
        // What V8 makes of it is its own affair.
        let _ = env.adjust_external_memory(change);
    }
}

/// The limit, or the one that there is if none is given.
pub(crate) fn limit(max_memory_bytes: Option<f64>) -> MemoryLimit {
    max_memory_bytes.map_or(MemoryLimit::DEFAULT, |bytes| MemoryLimit::new(bytes as u64))
}
