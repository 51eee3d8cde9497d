//! The other roofline of benchmarks: how many bytes a second this machine moves between memory and registers.

use super::{AlignedVec, Cpu, Kernel, Simd};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Floats of each of the two arrays of a thread: together 128 MiB, more than a share of the last-level cache.
const LEN: usize = 1 << 24;
/// Of every element: two reads and a write.
const BYTES: usize = 12;

/// y ← 0.5·y + x, in place: as an optimizer's arrays, every line written was read before.
struct Axpy<'a> {
    x: &'a [f32],
    y: &'a mut [f32],
}

impl Kernel for Axpy<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (half, len) = (s.splat(0.5), self.x.len());
        assert!(self.y.len() == len);
        let (x, y) = (self.x.as_ptr(), self.y.as_mut_ptr());
        let mut at = 0;
        while at + S::WIDTH <= len {
            // SAFETY: a register's worth remains in both.
            unsafe { s.store(y.add(at), s.fma(half, s.load(y.add(at)), s.load(x.add(at)))) };
            at += S::WIDTH;
        }
    }
}

/// Bytes a second that `threads` threads read and write in arrays much larger than caches, over `duration`. Other work on
/// the machine lowers the result, so measure it in turns with what is compared.
pub fn stream_bytes_per_second(cpu: Cpu, threads: usize, duration: Duration) -> f64 {
    std::thread::scope(|scope| {
        let measure = || one_thread(cpu, duration);
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(measure)).collect();
        let own = measure();
        own + others.into_iter().map(|thread| thread.join().unwrap_or(0.0)).sum::<f64>()
    })
}

fn one_thread(cpu: Cpu, duration: Duration) -> f64 {
    let (mut x, mut y) = (AlignedVec::zeros(LEN), AlignedVec::zeros(LEN));
    x.fill(1.0);
    y.fill(1.0);
    let (start, mut bytes) = (Instant::now(), 0);
    loop {
        cpu.run(Axpy { x: &x, y: &mut y });
        black_box(&mut y);
        bytes += BYTES * LEN;
        let elapsed = start.elapsed();
        if elapsed >= duration {
            return bytes as f64 / elapsed.as_secs_f64();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// y tends to x/(1 − 0.5) = 2.
    #[test]
    fn the_loop_does_its_work() {
        let cpu = Cpu::detect().expect("a backend");
        let (x, mut y) = ([1.0; 64], [0.0; 64]);
        for _ in 0..30 {
            cpu.run(Axpy { x: &x, y: &mut y });
        }
        assert!(y.iter().all(|y| (y - 2.0).abs() < 1e-6));
    }
}
