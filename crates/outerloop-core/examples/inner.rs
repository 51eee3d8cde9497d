//! Inner steps a second of whole truncations, without Node: the twin of `npm run bench -- inner`.
//!
//! `cargo run --release --example inner -- '{"name":"adam","lr":0.003}' 64-32-10 64 2 2.0`: the optimizer, the MLP's
//! widths, the batch size, threads, seconds.
#![allow(clippy::unwrap_used, missing_docs, reason = "a measuring program stops at the first error")]

use outerloop_core::data::{Examples, ImageSet, Pixels};
use outerloop_core::memory::MemoryLimit;
use outerloop_core::rng::{Key, Purpose};
use outerloop_core::simd::Cpu;
use outerloop_core::task::{Datasets, TaskConfig};
use outerloop_core::unroll::{
    AdvancePlan, Carry, JobControl, MetaLoss, ParticlePlan, Restart, Unroller, UnrollerOptions,
};
use outerloop_core::zoo::{OptimizerConfig, build_optimizer};
use std::sync::Arc;
use std::time::Instant;

/// Inner steps of one lane in one truncation.
const TRUNCATION_LENGTH: u64 = 100;
/// Pairs a thread; meta-training has dozens.
const PAIRS_PER_THREAD: u32 = 8;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let arg = |i: usize, default: &str| args.get(i).map_or(default, |x| x).to_owned();
    let optimizer = OptimizerConfig::from_json(&arg(0, r#"{"name":"adam","lr":0.003}"#)).unwrap();
    let widths: Vec<usize> = arg(1, "64-32-10").split('-').map(|w| w.parse().unwrap()).collect();
    let batch: usize = arg(2, "64").parse().unwrap();
    let threads: usize = arg(3, "2").parse().unwrap();
    let seconds: f64 = arg(4, "2").parse().unwrap();

    let classes = *widths.last().unwrap();
    let task = serde_json::json!({"family": "mlp", "dataset": "random", "hidden": widths[1..widths.len() - 1],
        "batchSize": batch});
    let task = TaskConfig::from_json(&task.to_string()).unwrap();
    let theta = build_optimizer(&optimizer).unwrap().theta_spec().init(Key::new(0, Purpose::ThetaInit));
    let num_particles = PAIRS_PER_THREAD * threads as u32;
    let options = UnrollerOptions {
        optimizer,
        seed: 0,
        num_particles,
        threads,
        carry: Carry::Both,
        meta_loss: MetaLoss::TRAIN,
        frozen: vec![],
        max_memory_bytes: MemoryLimit::DEFAULT,
    };
    let mut unroller =
        Unroller::new(&options, random_data(widths[0], classes), Cpu::detect().unwrap()).unwrap();

    let steps = f64::from(2 * num_particles) * TRUNCATION_LENGTH as f64;
    let mut rates = vec![];
    let begin = Instant::now();
    for perturbation in 0.. {
        if begin.elapsed().as_secs_f64() > seconds && rates.len() >= 5 {
            break;
        }
        let particles = (0..num_particles).map(|particle| {
            let restart = || Restart { task: task.clone(), episode: 0, num_steps: 1000, instance: None };
            ParticlePlan::simple(particle, TRUNCATION_LENGTH, perturbation, (perturbation == 0).then(restart))
        });
        let plan = AdvancePlan { std: 0.01, particles: particles.collect() };
        let start = Instant::now();
        unroller.advance(&theta, &plan, &JobControl::default()).unwrap();

        rates.push(steps / start.elapsed().as_secs_f64());
    }
    rates.sort_by(f64::total_cmp);
    println!(
        "{:.0} steps/s (best {:.0}), {} truncations of {} steps",
        rates[rates.len() / 2],
        rates[rates.len() - 1],
        rates.len(),
        steps
    );
}

/// 10,000 examples of random bytes with random labels.
fn random_data(features: usize, classes: usize) -> Datasets {
    let n = 10_000;
    let mut words = vec![0u32; n * features];
    Key::new(1, Purpose::TaskContent).fill_words(&mut words);
    let pixels = Pixels::U8(words.into_iter().map(|w| (w >> 24) as u8).collect());
    let labels = (0..n).map(|i| (i * 7 % classes) as u16).collect();
    let examples = Examples { pixels, labels, height: 1, width: features, channels: 1 };
    Datasets::new([Arc::new(ImageSet::new("random", examples, classes, None).unwrap())]).unwrap()
}
