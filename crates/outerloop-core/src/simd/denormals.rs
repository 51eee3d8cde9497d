//! Denormal numbers are treated as zero while a truncation runs: they cost up to fifty times a normal operation.

/// Sets flush-to-zero and denormals-are-zero on this thread until dropped, then restores what was there.
#[derive(Debug)]
pub struct FlushDenormals {
    before: u32,
}

/// MXCSR: flush to zero (bit 15) and denormals are zero (bit 6).
#[cfg(target_arch = "x86_64")]
const FLUSH_BITS: u32 = 1 << 15 | 1 << 6;

impl FlushDenormals {
    /// Switches the mode on.
    pub fn on() -> Self {
        let before = read();
        #[cfg(target_arch = "x86_64")]
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
fn read() -> u32 {
    let mut value = 0u32;
    // SAFETY: stores four bytes to a live local.
    unsafe { std::arch::asm!("stmxcsr [{}]", in(reg) &raw mut value, options(nostack)) };
    value
}

#[cfg(target_arch = "x86_64")]
fn write(value: u32) {
    // SAFETY: reads four bytes of a live local; the value differs from the thread's own only in the two flush bits.
    unsafe { std::arch::asm!("ldmxcsr [{}]", in(reg) &raw const value, options(nostack, readonly)) };
}

#[cfg(not(target_arch = "x86_64"))]
fn read() -> u32 {
    0
}

#[cfg(not(target_arch = "x86_64"))]
fn write(_: u32) {}

#[cfg(all(test, target_arch = "x86_64"))]
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
        }
        assert!(black_box(tiny * black_box(0.5)) > 0.0);
    }
}
