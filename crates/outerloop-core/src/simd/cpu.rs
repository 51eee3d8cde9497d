//! Which instruction set runs, and the one way into a kernel.

use super::{Simd, portable::Portable};
use crate::error::{Error, ErrorCode, Result};

/// Name of an instruction set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// Sixteen lanes, 32 registers.
    Avx512,
    /// Eight lanes with fused multiply-add.
    Avx2,
    /// Plain Rust.
    Portable,
}

impl Backend {
    /// All backends, best first.
    pub const ALL: [Self; 3] = [Self::Avx512, Self::Avx2, Self::Portable];

    /// Lower-case name, as in the environment variable `OUTERLOOP_CPU`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Portable => "portable",
        }
    }

    /// Whether this machine can run it.
    pub fn is_available(self) -> bool {
        match self {
            #[cfg(target_arch = "x86_64")]
            Self::Avx512 => {
                std::is_x86_feature_detected!("avx512f")
                    && std::is_x86_feature_detected!("avx512bw")
                    && std::is_x86_feature_detected!("avx512dq")
                    && std::is_x86_feature_detected!("avx512vl")
                    && Self::Avx2.is_available()
            }
            #[cfg(target_arch = "x86_64")]
            Self::Avx2 => std::is_x86_feature_detected!("avx2") && std::is_x86_feature_detected!("fma"),
            #[cfg(not(target_arch = "x86_64"))]
            Self::Avx512 | Self::Avx2 => false,
            Self::Portable => true,
        }
    }
}

/// A backend that is known to be available.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cpu(Backend);

/// Code generic over the instruction set. Its body must be `#[inline(always)]`, and so must all it calls with `S`:
/// what is not inlined into the entry is compiled without the features, correct but many times slower.
pub trait Kernel {
    /// What it returns.
    type Output;
    /// The body.
    fn run<S: Simd>(self, s: S) -> Self::Output;
}

impl Cpu {
    /// The best available backend, or the one that the environment variable `OUTERLOOP_CPU` names.
    /// # Errors
    /// `InvalidOption` if the variable names no backend, `DeviceUnavailable` if this machine lacks it.
    pub fn detect() -> Result<Self> {
        match std::env::var("OUTERLOOP_CPU") {
            Ok(name) => {
                let backend = Backend::ALL.into_iter().find(|b| b.name() == name).ok_or_else(|| {
                    Error::option(format!("OUTERLOOP_CPU: expected avx512, avx2 or portable, got `{name}`"))
                })?;
                Self::new(backend)
            }
            Err(_) => {
                Ok(Self(Backend::ALL.into_iter().find(|b| b.is_available()).unwrap_or(Backend::Portable)))
            }
        }
    }

    /// The given backend.
    /// # Errors
    /// `DeviceUnavailable` if this machine lacks it.
    pub fn new(backend: Backend) -> Result<Self> {
        if backend.is_available() {
            return Ok(Self(backend));
        }
        Err(Error::new(
            ErrorCode::DeviceUnavailable,
            format!("cpu: expected a backend of this machine, got `{}`", backend.name()),
        ))
    }

    /// Which one it is.
    pub fn backend(self) -> Backend {
        self.0
    }

    /// Runs `kernel` compiled for this instruction set.
    #[inline]
    pub fn run<K: Kernel>(self, kernel: K) -> K::Output {
        match self.0 {
            // SAFETY: a `Cpu` is only made after `is_available`.
            #[cfg(target_arch = "x86_64")]
            Backend::Avx512 => unsafe { enter_avx512(kernel) },
            // SAFETY: as above.
            #[cfg(target_arch = "x86_64")]
            Backend::Avx2 => unsafe { enter_avx2(kernel) },
            _ => kernel.run(Portable),
        }
    }
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx512f,avx512bw,avx512dq,avx512vl,avx2,fma")]
#[inline(never)]
unsafe fn enter_avx512<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller checked the features.
    kernel.run(unsafe { super::avx512::Avx512::new() })
}

#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "avx2,fma")]
#[inline(never)]
unsafe fn enter_avx2<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller checked the features.
    kernel.run(unsafe { super::avx2::Avx2::new() })
}
