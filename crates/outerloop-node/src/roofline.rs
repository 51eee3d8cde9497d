//! What benchmarks compare themselves with.

use crate::error::to_js;
use crate::job::{NativeCancelToken, spawn};
use napi::bindgen_prelude::{Env, Object};
use napi_derive::napi;
use outerloop_core::simd::{Cpu, fma_flops_per_second, stream_bytes_per_second};
use std::time::Duration;

/// Floating-point operations a second in fused multiply-adds on registers alone, over `threads` threads, on the
/// backend that `cpu` names.
#[napi(ts_return_type = "Promise<number>")]
pub fn fma_peak(env: &Env, threads: u32, duration_ms: u32, cpu: Option<String>) -> napi::Result<Object<'_>> {
    spawn(
        env,
        &NativeCancelToken::new(),
        None,
        move |_| {
            let cpu = Cpu::choose(cpu.as_deref()).map_err(to_js)?;
            Ok(fma_flops_per_second(cpu, threads as usize, Duration::from_millis(u64::from(duration_ms))))
        },
        |_, flops| Ok(flops),
    )
}

/// Bytes a second between memory and registers, over `threads` threads, on the backend that `cpu` names.
#[napi(ts_return_type = "Promise<number>")]
pub fn stream_peak(
    env: &Env,
    threads: u32,
    duration_ms: u32,
    cpu: Option<String>,
) -> napi::Result<Object<'_>> {
    spawn(
        env,
        &NativeCancelToken::new(),
        None,
        move |_| {
            let cpu = Cpu::choose(cpu.as_deref()).map_err(to_js)?;
            Ok(stream_bytes_per_second(cpu, threads as usize, Duration::from_millis(u64::from(duration_ms))))
        },
        |_, bytes| Ok(bytes),
    )
}
