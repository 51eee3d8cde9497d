//! Ratios from short slices in turns, so that both sides see the same load of the machine.

use super::cases::Case;
use outerloop_core::simd::{Cpu, fma_flops_per_second};
use std::time::{Duration, Instant};

const TURNS: usize = 15;
const SLICE: Duration = Duration::from_millis(10);

/// Prints ours / reference and ours / roofline, medians over the turns.
pub fn print_ratios(cpu: Cpu, case: &mut Case) {
    let (mut faster, mut fraction) = (vec![], vec![]);
    for _ in 0..TURNS {
        let ours = calls_per_second(&mut *case.ours);
        let peak = fma_flops_per_second(cpu, 1, SLICE);
        faster.push(ours / calls_per_second(&mut *case.reference));
        fraction.push(ours * (2 * case.multiply_adds) as f64 / peak);
    }
    println!(
        "{}: {:.1} times the f64 reference, {:.3} of the multiply-add rate",
        case.name,
        median(faster),
        median(fraction)
    );
}

fn calls_per_second(call: &mut dyn FnMut()) -> f64 {
    let start = Instant::now();
    let mut calls = 0;
    loop {
        call();
        calls += 1;
        let elapsed = start.elapsed();
        if elapsed >= SLICE {
            return f64::from(calls) / elapsed.as_secs_f64();
        }
    }
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
