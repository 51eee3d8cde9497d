//! Errors and panics as JavaScript sees them.

use napi::{Env, Error, JsError, Status, Unknown};
use outerloop_core::error::ErrorCode;
use std::cell::Cell;
use std::panic::AssertUnwindSafe;
use std::sync::{Mutex, Once, PoisonError};

/// The core's code as napi wants it.
#[derive(Clone, Copy, Debug)]
pub struct Code(pub ErrorCode);

impl AsRef<str> for Code {
    fn as_ref(&self) -> &str {
        self.0.as_str()
    }
}

impl From<Status> for Code {
    fn from(status: Status) -> Self {
        Self(match status {
            Status::InvalidArg => ErrorCode::DtypeMismatch,
            _ => ErrorCode::Internal,
        })
    }
}

/// Result of an exported function. The macros of napi look at the name.
pub type Result<T> = std::result::Result<T, Error<Code>>;

/// The core's error as napi's.
pub fn to_js(e: outerloop_core::error::Error) -> Error<Code> {
    Error::new(Code(e.code), e.message)
}

/// An error of this crate.
pub fn error(code: ErrorCode, message: impl Into<String>) -> Error<Code> {
    Error::new(Code(code), message.into())
}

static LAST_PANIC: Mutex<Option<String>> = Mutex::new(None);

thread_local! {
    static IS_GUARDED: Cell<bool> = const { Cell::new(false) };
}

/// Keeps message and place of panics inside [`guard`] and on our own threads; others go to the hook there was.
fn install_panic_hook() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let previous = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |info| {
            let is_ours = std::thread::current().name().is_some_and(|name| name.starts_with("outerloop-"));
            if IS_GUARDED.get() || is_ours {
                let payload = info.payload();
                let text = payload.downcast_ref::<&str>().copied();
                let what = text.or_else(|| payload.downcast_ref().map(String::as_str)).unwrap_or("panic");
                let place =
                    info.location().map(|l| format!(" at {}:{}", l.file(), l.line())).unwrap_or_default();
                *LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner) = Some(format!("{what}{place}"));
            } else {
                previous(info);
            }
        }));
    });
}

/// Runs `f`; a panic becomes an error with code `INTERNAL`.
pub fn guard<T>(f: impl FnOnce() -> Result<T>) -> Result<T> {
    install_panic_hook();
    let before = IS_GUARDED.replace(true);
    let result = std::panic::catch_unwind(AssertUnwindSafe(f));
    IS_GUARDED.set(before);
    result.unwrap_or_else(|_| {
        let last = LAST_PANIC.lock().unwrap_or_else(PoisonError::into_inner).take();
        Err(error(
            ErrorCode::Internal,
            format!("a bug in outerloop: {}", last.unwrap_or_else(|| "panic".into())),
        ))
    })
}

/// On the JS thread: a rejection that carries our code.
pub fn into_rejection(env: Env, e: Error<Code>) -> Error {
    let value: Unknown = JsError::from(e).into_unknown(env);
    Error::from(value)
}
