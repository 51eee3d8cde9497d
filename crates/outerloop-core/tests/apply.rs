//! Optimizers applied to a caller's tensors: what every optimizer of the registry promises.
#![allow(clippy::unwrap_used, missing_docs)]

mod twin;
mod zoo;

use outerloop_core::apply::{Applied, ApplyOptions, NonFinite};
use outerloop_core::error::{ErrorCode, Result};
use outerloop_core::optim::{Scale, Theta};
use outerloop_core::params::TensorSpec;
use outerloop_core::rng::{Key, Purpose};
use outerloop_core::simd::Cpu;
use outerloop_core::zoo::{OptimizerConfig, build_optimizer};
use twin::{Fast, NUM_STEPS};
use zoo::OPTIMIZERS;

/// Rank 0 to 4, size 1, lengths that fill groups of lanes and that do not.
const SHAPES: [&[usize]; 9] =
    [&[], &[1], &[7], &[16], &[5, 5], &[16, 10], &[4, 48], &[3, 2, 8], &[3, 3, 2, 16]];
/// One that threads share as a matrix whose rows fill registers, one whose rows do not, one as a vector, and a convolution.
const LARGE: [&[usize]; 4] = [&[600, 256], &[700, 201], &[150_001], &[3, 3, 160, 112]];

fn normal(key: Key, len: usize) -> Vec<f32> {
    let mut out = vec![0.0; len];
    key.fill_normal(&mut out);
    out
}

struct Model {
    config: OptimizerConfig,
    theta: Vec<f32>,
    specs: Vec<TensorSpec>,
    params: Vec<Vec<f32>>,
}

fn model(json: &str, shapes: &[&[usize]]) -> Model {
    let config = OptimizerConfig::from_json(json).unwrap();
    let key = Key::new(7, Purpose::Unroll);
    let spec = |(i, s): (usize, &&[usize])| TensorSpec::new(format!("p{i}"), s.to_vec());
    let specs: Vec<_> = shapes.iter().enumerate().map(spec).collect();
    let params = specs.iter().enumerate().map(|(i, s)| normal(key.fold(i as u64), s.len())).collect();
    let theta = build_optimizer(&config).unwrap().theta_spec().init(Key::new(1, Purpose::ThetaInit));
    Model { config, theta, specs, params }
}

impl Model {
    fn options(threads: usize) -> ApplyOptions {
        let cpu = Cpu::detect().unwrap();
        ApplyOptions { num_steps: Some(NUM_STEPS), non_finite: NonFinite::Throw, threads, cpu }
    }

    fn apply(&self, options: ApplyOptions) -> Applied {
        let params: Vec<&[f32]> = self.params.iter().map(Vec::as_slice).collect();
        let optimizer = build_optimizer(&self.config).unwrap();
        Applied::new(optimizer, Theta::from(&self.theta[..]), self.specs.clone(), &params, options).unwrap()
    }

    /// Gradients at step t: a pull to zero and noise.
    fn grads(&self, params: &[Vec<f32>], t: u64) -> Vec<Vec<f32>> {
        let key = Key::new(9, Purpose::Unroll).fold(t);
        let grads = params.iter().enumerate().map(|(i, p)| {
            let noise = normal(key.fold(i as u64), p.len());
            p.iter().zip(noise).map(|(p, z)| 0.1 * p + 0.03 * z).collect()
        });
        grads.collect()
    }
}

fn step(applied: &mut Applied, params: &mut [Vec<f32>], grads: &[Vec<f32>], t: u64) -> Result<bool> {
    let mut params: Vec<&mut [f32]> = params.iter_mut().map(Vec::as_mut_slice).collect();
    let grads: Vec<&[f32]> = grads.iter().map(Vec::as_slice).collect();
    let loss = 2.0 / (1.0 + 0.1 * t as f32);
    let valid = t.is_multiple_of(10).then_some(1.1 * loss);
    applied.step(&mut params, &grads, Some(loss), valid, Scale::ONE).map(|report| report.is_applied)
}

fn bits(params: &[Vec<f32>]) -> Vec<u32> {
    params.iter().flatten().map(|x| x.to_bits()).collect()
}

/// In place, in arrays of any length, an optimizer does what it does on a lane's padded array, to the bit.
#[test]
fn a_callers_arrays_get_the_bits_of_a_lane() {
    for &(json, _) in OPTIMIZERS {
        let model = model(json, &SHAPES);
        let mut applied = model.apply(Model::options(1));
        let cpu = Cpu::detect().unwrap();
        let mut lane = Fast::new(&model.config, &model.theta, &model.specs, &model.params, cpu);
        let mut params = model.params.clone();
        for t in 0..12 {
            let grads = model.grads(&params, t);
            let loss = 2.0 / (1.0 + 0.1 * t as f32);
            lane.step(&grads, loss, t.is_multiple_of(10).then_some(1.1 * loss));
            assert!(step(&mut applied, &mut params, &grads, t).unwrap());
            for (i, p) in params.iter().enumerate() {
                let same =
                    lane.params[lane.layout.range(i)].iter().zip(p).all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same, "{json} step {t} p{i}");
            }
        }
        assert!(params.iter().flatten().all(|x| x.is_finite()), "{json}");
        assert_ne!(bits(&params), bits(&model.params), "{json}");
    }
}

/// Large tensors are cut into the same blocks for any number of threads.
#[test]
fn threads_do_not_change_bits() {
    for &(json, _) in OPTIMIZERS {
        let model = model(json, &LARGE);
        let run = |threads: usize| {
            let mut applied = model.apply(Model::options(threads));
            let mut params = model.params.clone();
            for t in 0..2 {
                let grads = model.grads(&params, t);
                assert!(step(&mut applied, &mut params, &grads, t).unwrap());
            }
            (bits(&params), applied.state().data.iter().map(|x| x.to_bits()).collect::<Vec<_>>())
        };
        let one = run(1);
        for threads in [2, 3] {
            assert!(run(threads) == one, "{json} {threads} threads");
        }
    }
}

/// A state put into a fresh optimizer continues the run bit for bit.
#[test]
fn a_state_survives_a_round_trip_mid_run() {
    for &(json, _) in OPTIMIZERS {
        let model = model(json, &SHAPES);
        let mut applied = model.apply(Model::options(1));
        let mut params = model.params.clone();
        for t in 0..5 {
            let grads = model.grads(&params, t);
            step(&mut applied, &mut params, &grads, t).unwrap();
        }
        let mut other = model.apply(Model::options(1));
        let state = applied.state();
        other.set_state(&state.data, state.iteration, state.num_steps).unwrap();
        let mut copy = params.clone();
        for t in 5..9 {
            let grads = model.grads(&params, t);
            step(&mut applied, &mut params, &grads, t).unwrap();
            step(&mut other, &mut copy, &grads, t).unwrap();
        }
        assert!(bits(&params) == bits(&copy), "{json}");
    }
}

/// The sum of squares of the parameters, whose gradient they are, falls under every hand-designed optimizer.
#[test]
fn hand_designed_optimizers_lower_a_quadratic() {
    for &(json, _) in OPTIMIZERS {
        let model = model(json, &SHAPES);
        if !model.theta.is_empty() {
            continue;
        }
        let mut applied = model.apply(Model::options(1));
        let mut params = model.params.clone();
        let loss = |params: &[Vec<f32>]| params.iter().flatten().map(|x| f64::from(x * x)).sum::<f64>();
        let before = loss(&params);
        for t in 0..NUM_STEPS {
            let grads = params.clone();
            step(&mut applied, &mut params, &grads, t).unwrap();
        }
        assert!(loss(&params) < before, "{json}: {} from {before}", loss(&params));
    }
}

#[test]
fn gradients_that_are_not_finite_follow_the_policy() {
    let model = model(r#"{"name":"adam","lr":0.01}"#, &SHAPES);
    for bad in [f32::NAN, f32::INFINITY] {
        let mut grads = model.grads(&model.params, 0);
        grads[5][3] = bad;
        let run = |non_finite| {
            let mut applied = model.apply(ApplyOptions { non_finite, ..Model::options(1) });
            let mut params = model.params.clone();
            let result = step(&mut applied, &mut params, &grads, 0);
            (result.map_err(|e| (e.code, e.message)), params, applied.state().iteration)
        };
        let (result, params, iteration) = run(NonFinite::Throw);
        let (code, message) = result.unwrap_err();
        assert_eq!(code, ErrorCode::DataInvalid);
        assert_eq!(message, format!("update: expected finite gradients, got {bad} at element 3 of `p5`"));
        assert!(bits(&params) == bits(&model.params) && iteration == 0);
        let (result, params, iteration) = run(NonFinite::Skip);
        assert!(!result.unwrap() && bits(&params) == bits(&model.params) && iteration == 0);
        let (result, params, iteration) = run(NonFinite::Zero);
        assert!(result.unwrap() && iteration == 1);
        assert!(params[5][3] == model.params[5][3] && params[5][2] != model.params[5][2]);
        let (result, params, _) = run(NonFinite::Propagate);
        assert!(result.unwrap() && (bad.is_infinite() || params[5][3].is_nan()));
        // What was not finite is still there: the caller's gradients are not written.
        assert!(!grads[5][3].is_finite());
    }
}

#[test]
fn callers_mistakes_are_named() {
    let model = model(r#"{"name":"hierarchical","variant":"library"}"#, &SHAPES);
    let mut applied = model.apply(Model::options(1));
    let mut params = model.params.clone();
    let mut grads = model.grads(&params, 0);
    grads[4].pop();
    let error = step(&mut applied, &mut params, &grads, 0).unwrap_err();
    assert_eq!(error.code, ErrorCode::ShapeMismatch);
    assert_eq!(error.message, "grads: expected 25 numbers for `p4` of shape [5, 5], got 24");
    grads.pop();
    let error = step(&mut applied, &mut params, &grads, 0).unwrap_err();
    assert_eq!(error.message, "grads: expected 9 tensors, got 8");
    let grads = model.grads(&params, 0);
    let mut params: Vec<&mut [f32]> = params.iter_mut().map(Vec::as_mut_slice).collect();
    let grads: Vec<&[f32]> = grads.iter().map(Vec::as_slice).collect();
    let error = applied.step(&mut params, &grads, None, None, Scale::ONE).unwrap_err();
    assert_eq!(error.code, ErrorCode::InvalidOption);
    assert_eq!(error.message, "update: expected `loss`, which this optimizer reads, got none");
    let optimizer = build_optimizer(&model.config).unwrap();
    let none = Applied::new(optimizer, Theta::from(&model.theta[..]), vec![], &[], Model::options(1));
    assert_eq!(none.err().unwrap().message, "params: expected at least one tensor, got none");
}
