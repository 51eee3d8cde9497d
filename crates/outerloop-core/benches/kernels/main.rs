//! Kernels of an inner step, against their f64 twins and against the machine's multiply-add rate:
//! `cargo bench --profile ci -p outerloop-core`.
//!
//! Every case first asserts that both twins agree. The rate is of the multiply-adds that the case's formula has (one
//! counts as two operations; nothing else counts) and is compared with a loop of multiply-adds on registers.

mod cases;
mod roofline;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use outerloop_core::simd::Cpu;

fn kernels(criterion: &mut Criterion) {
    let cpu = Cpu::detect().expect("the backend that OUTERLOOP_CPU names");
    println!("backend {}", cpu.backend().name());
    for mut case in cases::all(cpu) {
        case.assert_agrees();
        roofline::print_ratios(cpu, &mut case);
        let mut group = criterion.benchmark_group(case.name);
        group.throughput(Throughput::Elements(2 * case.multiply_adds));
        group.bench_function("ours", |b| b.iter(|| (case.ours)()));
        group.bench_function("f64 reference", |b| b.iter(|| (case.reference)()));
        group.finish();
    }
}

criterion_group!(benches, kernels);
criterion_main!(benches);
