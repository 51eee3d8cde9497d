//! What this machine and build have.

use crate::error::{Result, guard, to_js};
use napi_derive::napi;
use outerloop_core::simd::{Backend, Cpu};

/// The native side of `outerloop doctor`.
#[napi(object)]
pub struct NativeDoctor {
    /// Version of the native build.
    pub version: String,
    /// Instruction set in use.
    pub backend: String,
    /// Instruction sets that this machine can run.
    pub backends: Vec<String>,
    /// `release`, or `debug` where assertions are on.
    pub profile: String,
    /// Hardware threads.
    pub threads: u32,
}

/// Looks at the machine.
#[napi]
pub fn doctor() -> Result<NativeDoctor> {
    guard(|| {
        let names = Backend::ALL.into_iter().filter(|b| b.is_available()).map(|b| b.name().to_owned());
        Ok(NativeDoctor {
            version: env!("CARGO_PKG_VERSION").into(),
            backend: Cpu::detect().map_err(to_js)?.backend().name().into(),
            backends: names.collect(),
            profile: if cfg!(debug_assertions) { "debug" } else { "release" }.into(),
            threads: std::thread::available_parallelism().map_or(1, |n| n.get() as u32),
        })
    })
}
