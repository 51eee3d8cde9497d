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
    /// Four lanes, 32 registers; used in pairs.
    Neon,
    /// Plain Rust.
    Portable,
}

impl Backend {
    /// All backends, best first.
    pub const ALL: [Self; 4] = [Self::Avx512, Self::Avx2, Self::Neon, Self::Portable];

    /// Lower-case name, as in option `cpu` and the environment variable `OUTERLOOP_CPU`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Avx512 => "avx512",
            Self::Avx2 => "avx2",
            Self::Neon => "neon",
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
            #[cfg(target_arch = "aarch64")]
            Self::Neon => std::arch::is_aarch64_feature_detected!("neon"),
            #[cfg(not(target_arch = "aarch64"))]
            Self::Neon => false,
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
    /// The backend that the environment variable `OUTERLOOP_CPU` names, or the best available one.
    /// # Errors
    /// As [`Cpu::choose`].
    pub fn detect() -> Result<Self> {
        Self::choose(None)
    }

    /// The backend of the given name; for `None` and `auto` the one that the environment variable `OUTERLOOP_CPU` names;
    /// where that is unset, empty or `auto`, the best available one.
    /// # Errors
    /// `InvalidOption` if the name or the variable names no backend, `DeviceUnavailable` if this machine lacks it.
    pub fn choose(name: Option<&str>) -> Result<Self> {
        let variable = std::env::var_os("OUTERLOOP_CPU").map(|value| value.to_string_lossy().into_owned());
        Self::choose_from(name, variable.as_deref())
    }

    fn choose_from(option: Option<&str>, variable: Option<&str>) -> Result<Self> {
        if let Some(name) = option.filter(|name| *name != "auto") {
            return Self::named("cpu", name);
        }
        if let Some(name) = variable.filter(|name| !matches!(*name, "" | "auto")) {
            return Self::named("OUTERLOOP_CPU", name);
        }
        Ok(Self(Backend::ALL.into_iter().find(|b| b.is_available()).unwrap_or(Backend::Portable)))
    }

    fn named(source: &str, name: &str) -> Result<Self> {
        let backend = Backend::ALL.into_iter().find(|b| b.name() == name).ok_or_else(|| {
            let expected = "auto, avx512, avx2, neon or portable";
            Error::option(format!("expected `{source}` to be {expected}, got `{name}`"))
        })?;
        Self::available(source, backend)
    }

    /// The given backend.
    /// # Errors
    /// `DeviceUnavailable` if this machine lacks it.
    pub fn new(backend: Backend) -> Result<Self> {
        Self::available("cpu", backend)
    }

    fn available(source: &str, backend: Backend) -> Result<Self> {
        if backend.is_available() {
            return Ok(Self(backend));
        }
        let names: Vec<_> =
            Backend::ALL.into_iter().filter(|b| b.is_available()).map(Backend::name).collect();
        Err(Error::new(
            ErrorCode::DeviceUnavailable,
            format!(
                "expected `{source}` to be a backend of this machine ({}), got `{}`",
                names.join(", "),
                backend.name()
            ),
        ))
    }

    /// The backend that every machine has.
    pub const fn portable() -> Self {
        Self(Backend::Portable)
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
            // SAFETY: as above.
            #[cfg(target_arch = "aarch64")]
            Backend::Neon => unsafe { enter_neon(kernel) },
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

#[cfg(target_arch = "aarch64")]
#[target_feature(enable = "neon")]
#[inline(never)]
unsafe fn enter_neon<K: Kernel>(kernel: K) -> K::Output {
    // SAFETY: the caller checked the feature.
    kernel.run(unsafe { super::neon::Neon::new() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn option_comes_before_variable_before_best() {
        let best = Cpu::choose_from(None, None).expect("the best backend");
        for auto in [None, Some("auto")] {
            assert_eq!(Cpu::choose_from(auto, None), Ok(best));
            assert_eq!(Cpu::choose_from(auto, Some("")), Ok(best));
            assert_eq!(Cpu::choose_from(auto, Some("auto")), Ok(best));
            assert_eq!(Cpu::choose_from(auto, Some("portable")), Ok(Cpu(Backend::Portable)));
        }
        assert_eq!(Cpu::choose_from(Some(best.backend().name()), Some("mmx")), Ok(best));
    }

    #[test]
    fn refuses_unknown_and_missing_backends() {
        let refused = |option, variable| Cpu::choose_from(option, variable).expect_err("a refusal");
        let error = refused(Some("mmx"), None);
        assert_eq!(error.code, ErrorCode::InvalidOption);
        assert_eq!(error.message, "expected `cpu` to be auto, avx512, avx2, neon or portable, got `mmx`");
        assert!(refused(None, Some("mmx")).message.starts_with("expected `OUTERLOOP_CPU` to be auto,"));
        for backend in Backend::ALL.into_iter().filter(|b| !b.is_available()) {
            let error = refused(Some(backend.name()), None);
            assert_eq!(error.code, ErrorCode::DeviceUnavailable);
            assert!(error.message.ends_with(&format!("portable), got `{}`", backend.name())), "{error}");
        }
    }
}
