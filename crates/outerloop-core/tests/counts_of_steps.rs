//! Numbers of steps up to the largest that JavaScript counts: what is told of them, and a clock that is far along.
#![allow(clippy::unwrap_used, missing_docs)]

mod zoo;

use outerloop_core::apply::{Applied, ApplyOptions, NonFinite};
use outerloop_core::optim::Scale;
use outerloop_core::params::TensorSpec;
use outerloop_core::rng::{Key, Purpose};
use outerloop_core::simd::Cpu;
use outerloop_core::zoo::{OptimizerConfig, build_optimizer};
use zoo::OPTIMIZERS;

const LARGEST: u64 = (1 << 53) - 1;

/// Twenty updates, after `done` of `num_steps`: parameters and state stay finite. Returns whether parameters have moved.
fn run(json: &str, num_steps: u64, done: u64) -> bool {
    let config = OptimizerConfig::from_json(json).unwrap();
    let optimizer = build_optimizer(&config).unwrap();
    let theta = optimizer.theta_spec().init(Key::new(1, Purpose::ThetaInit));
    let specs = vec![TensorSpec::new("w", [2, 3]), TensorSpec::new("b", [3])];
    let mut params = [vec![1.0f32, -2.0, 3.0, -4.0, 0.5, 0.25], vec![0.5, -0.25, 1.0]];
    let cpu = Cpu::detect().unwrap();
    let options = ApplyOptions { num_steps: Some(num_steps), non_finite: NonFinite::Throw, threads: 1, cpu };
    let places = [&params[0][..], &params[1]];
    let mut applied = Applied::new(optimizer, theta.into(), specs, &places, options).unwrap();
    let state = applied.state().data.to_vec();
    applied.set_state(&state, done, num_steps).unwrap();
    let before = params.clone();
    for t in 0..20 {
        let grads = params.clone().map(|p| p.iter().map(|p| 0.1 * p + 0.01).collect::<Vec<f32>>());
        let [w, b] = &mut params;
        let (loss, valid) = (1.0 / (1.0 + t as f32), (t % 10 == 0).then_some(1.5));
        let step = applied.step(&mut [w, b], &[&grads[0], &grads[1]], Some(loss), valid, Scale::ONE);
        step.unwrap_or_else(|e| panic!("{json}: {e:?} at update {t} after {done} of {num_steps}"));
    }
    let all = || params.iter().flatten().chain(&applied.state().data[..]);
    assert!(all().all(|x| x.is_finite()), "{json}: not finite after {done} of {num_steps}");
    params != before
}

#[test]
fn any_number_of_steps_can_be_told() {
    for (json, _) in OPTIMIZERS {
        // Schedules with a warm-up hardly move at first, and random thetas of VeLO neither.
        let moves = run(json, 1_000_000, 0);
        for num_steps in [1, 1 << 24, 1 << 25, 40_000_000, 1_000_000_000, 1 << 40, LARGEST] {
            let is_exempt = num_steps == 1 || json.contains("Fraction") || !moves;
            assert!(run(json, num_steps, 0) || is_exempt, "{json} {num_steps}: nothing moves");
        }
    }
}

#[test]
fn any_number_of_steps_can_be_behind() {
    for (json, _) in OPTIMIZERS {
        for done in [(1 << 24) - 10, (1 << 24) + 10, 1 << 32, LARGEST - 100] {
            run(json, LARGEST, done);
        }
    }
}
