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
    /// Features of the CPU that matter to the engine.
    pub cpu_features: Vec<String>,
    /// `release`, or `debug` where assertions are on.
    pub profile: String,
    /// Hardware threads.
    pub threads: u32,
}

/// Version of the native build.
#[napi]
pub fn engine_version() -> String {
    env!("CARGO_PKG_VERSION").into()
}

/// Looks at the machine, and at which backend `cpu` names.
#[napi]
pub fn doctor(cpu: Option<String>) -> Result<NativeDoctor> {
    guard(|| {
        let names = Backend::ALL.into_iter().filter(|b| b.is_available()).map(|b| b.name().to_owned());
        Ok(NativeDoctor {
            version: engine_version(),
            backend: Cpu::choose(cpu.as_deref()).map_err(to_js)?.backend().name().into(),
            backends: names.collect(),
            cpu_features: cpu_features(),
            profile: if cfg!(debug_assertions) { "debug" } else { "release" }.into(),
            threads: std::thread::available_parallelism().map_or(1, |n| n.get() as u32),
        })
    })
}

/// Detected features, of those that a backend uses.
fn cpu_features() -> Vec<String> {
    #[cfg(target_arch = "x86_64")]
    let found = [
        ("avx2", std::is_x86_feature_detected!("avx2")),
        ("fma", std::is_x86_feature_detected!("fma")),
        ("avx512f", std::is_x86_feature_detected!("avx512f")),
        ("avx512bw", std::is_x86_feature_detected!("avx512bw")),
        ("avx512dq", std::is_x86_feature_detected!("avx512dq")),
        ("avx512vl", std::is_x86_feature_detected!("avx512vl")),
    ];
    #[cfg(target_arch = "aarch64")]
    let found = [("neon", std::arch::is_aarch64_feature_detected!("neon"))];
    #[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
    let found: [(&str, bool); 0] = [];
    found.into_iter().filter(|(_, has)| *has).map(|(name, _)| name.to_owned()).collect()
}
