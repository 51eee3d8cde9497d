//! The roofline of benchmarks: how many floating-point operations this machine does when nothing else limits it.

use super::{Cpu, Kernel, LaneSum, Simd};
use std::hint::black_box;
use std::time::{Duration, Instant};

/// Independent chains of fused multiply-adds: latency 4 times two units needs 8; 12 and two operands fit 16 registers.
const CHAINS: usize = 12;

/// Steps of every chain between two looks at the clock, about 40 µs with registers of the machine's own width.
const STEPS: usize = 20_000;

/// x ← 0.999·x + 0.001 along all chains; returns their sum and the operations done, two for each multiply-add.
struct FmaChains {
    start: f32,
    steps: usize,
}

impl Kernel for FmaChains {
    type Output = (f32, u64);

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> (f32, u64) {
        let (a, b) = (s.splat(black_box(0.999)), s.splat(black_box(0.001)));
        let mut chains: [S::V; CHAINS] = std::array::from_fn(|i| s.splat(self.start + i as f32));
        for _ in 0..self.steps {
            for x in &mut chains {
                *x = s.fma(*x, a, b);
            }
        }
        let mut sum = LaneSum::zero(s);
        for x in chains {
            sum.add(s, 0, x);
        }
        (sum.total(s), (2 * CHAINS * S::WIDTH * self.steps) as u64)
    }
}

/// Floating-point operations a second in multiply-adds on registers alone, over `threads` threads for `duration`.
///
/// A multiply-add counts as two operations. Other work on the machine lowers the result as it lowers the code that is
/// compared with it, so measure the two in turns.
pub fn fma_flops_per_second(cpu: Cpu, threads: usize, duration: Duration) -> f64 {
    std::thread::scope(|scope| {
        let measure = || one_thread(cpu, duration);
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(measure)).collect();
        let own = measure();
        own + others.into_iter().map(|thread| thread.join().unwrap_or(0.0)).sum::<f64>()
    })
}

fn one_thread(cpu: Cpu, duration: Duration) -> f64 {
    let start = Instant::now();
    let mut operations = 0;
    loop {
        let (sum, done) = cpu.run(FmaChains { start: black_box(1.0), steps: STEPS });
        black_box(sum);
        operations += done;
        let elapsed = start.elapsed();
        if elapsed >= duration {
            return operations as f64 / elapsed.as_secs_f64();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::Backend;
    use super::*;

    /// x ← a·x + b tends to b/(1 − a) = 1 (within 1e-4, as a and b are rounded); a register of `w` lanes fills `w` of
    /// the sum's lanes, twelve chains each.
    #[test]
    fn chains_tend_to_their_fixed_point() {
        for cpu in Backend::ALL.into_iter().filter_map(|b| Cpu::new(b).ok()) {
            let (sum, operations) = cpu.run(FmaChains { start: 3.0, steps: STEPS });
            let width = operations as f32 / (2 * CHAINS * STEPS) as f32;
            assert!((sum / (12.0 * width) - 1.0).abs() < 1e-4, "{sum} {width}");
            assert!(fma_flops_per_second(cpu, 2, Duration::from_millis(1)) > 1e6);
        }
    }
}
