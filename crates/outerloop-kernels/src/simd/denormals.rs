//! Denormal numbers are treated as zero while a truncation runs: they cost up to fifty times a normal operation.

/// Treats denormal inputs and results as zero on this thread until dropped, then restores what was there.
///
/// x86-64 has a bit for results and one for inputs, aarch64 one for both. They differ in one corner: a result below the
/// least normal number that rounds up to it is kept on x86-64, which looks after rounding, and flushed on aarch64, which
/// looks before. Elsewhere nothing is set.
#[derive(Debug)]
pub struct FlushDenormals {
    before: u64,
}

/// MXCSR: flush to zero (bit 15) and denormals are zero (bit 6).
#[cfg(target_arch = "x86_64")]
const FLUSH_BITS: u64 = 1 << 15 | 1 << 6;

/// FPCR: FZ (bit 24), which flushes inputs and results.
#[cfg(target_arch = "aarch64")]
const FLUSH_BITS: u64 = 1 << 24;

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
const FLUSH_BITS: u64 = 0;

impl FlushDenormals {
    /// Switches the mode on.
    pub fn on() -> Self {
        let before = read();
        write(before | FLUSH_BITS);
        Self { before }
    }
}

impl Drop for FlushDenormals {
    fn drop(&mut self) {
        write(self.before);
    }
}

#[cfg(target_arch = "x86_64")]
fn read() -> u64 {
    let mut value = 0u32;
    // SAFETY: stores four bytes to a live local.
    unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut value, options(nostack)) };
    u64::from(value)
}

#[cfg(target_arch = "x86_64")]
fn write(value: u64) {
    let value = value as u32;
    // SAFETY: reads four bytes of a live local; the value differs from the thread's own only in the two flush bits.
    unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const value, options(nostack, readonly)) };
}

#[cfg(target_arch = "aarch64")]
fn read() -> u64 {
    let value: u64;
    // SAFETY: reads a register that user code may read.
    unsafe { std::arch::asm!("mrs {}, fpcr", out(reg) value, options(nostack, preserves_flags)) };
    value
}

#[cfg(target_arch = "aarch64")]
fn write(value: u64) {
    // SAFETY: the value differs from the thread's own only in the flush bit.
    unsafe { std::arch::asm!("msr fpcr, {}", in(reg) value, options(nostack, preserves_flags)) };
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn read() -> u64 {
    0
}

#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn write(_: u64) {}

#[cfg(all(test, any(target_arch = "x86_64", target_arch = "aarch64")))]
mod tests {
    use super::*;
    use std::hint::black_box;

    #[test]
    fn flushes_and_restores() {
        let tiny = black_box(f32::MIN_POSITIVE);
        assert!(black_box(tiny * black_box(0.5)) > 0.0);
        {
            let _guard = FlushDenormals::on();
            assert_eq!(black_box(tiny * black_box(0.5)), 0.0);
            assert_eq!(black_box(black_box(f32::from_bits(1)) * black_box(f32::MAX)), 0.0);
        }
        assert!(black_box(tiny * black_box(0.5)) > 0.0);
    }
}
