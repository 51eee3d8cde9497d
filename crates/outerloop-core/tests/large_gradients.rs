//! Finite gradients of any size: squares leave f32 from 1.8e19 on, and a step must not show it.
#![allow(clippy::unwrap_used, missing_docs)]

mod zoo;

use outerloop_core::apply::{Applied, ApplyOptions, NonFinite, Report};
use outerloop_core::error::{ErrorCode, Result};
use outerloop_core::optim::{GradRange, Scale};
use outerloop_core::params::TensorSpec;
use outerloop_core::rng::{Key, Purpose};
use outerloop_core::simd::Cpu;
use outerloop_core::zoo::{OptimizerConfig, build_optimizer};
use zoo::OPTIMIZERS;

/// Up to where some twenty of them can be added in f32, as momentum does.
const SIZES: [f32; 8] = [1e10, 1e15, 1e18, 1e19, 1e20, 1e25, 1e30, 1e36];

struct Run {
    range: GradRange,
    applied: Applied,
    params: [Vec<f32>; 3],
}

fn start(json: &str, non_finite: NonFinite) -> Run {
    let config = OptimizerConfig::from_json(json).unwrap();
    let optimizer = build_optimizer(&config).unwrap();
    let theta = optimizer.theta_spec().init(Key::new(1, Purpose::ThetaInit));
    let spec = |name: &str, shape: &[usize]| TensorSpec::new(name, shape.to_vec());
    let specs = vec![spec("a", &[2, 3]), spec("b", &[5]), spec("c", &[20, 17])];
    let params = [6, 5, 340].map(|n| (0..n).map(|i| 0.5 + 0.1 * (i % 7) as f32).collect::<Vec<f32>>());
    let places = [&params[0][..], &params[1], &params[2]];
    let cpu = Cpu::detect().unwrap();
    let options = ApplyOptions { num_steps: Some(1000), non_finite, threads: 1, cpu };
    let range = optimizer.needs().grad_range;
    let applied = Applied::new(optimizer, theta.into(), specs, &places, options).unwrap();
    Run { range, applied, params }
}

impl Run {
    /// One step with gradients whose elements lie between a third of their tensor's size and the size, of either sign.
    fn step(&mut self, sizes: [f32; 3], t: usize) -> Result<Report> {
        let mut grads = self.params.clone();
        for (grad, size) in grads.iter_mut().zip(sizes) {
            for (i, g) in grad.iter_mut().enumerate() {
                let x = 1.0 - ((i * 5 + t * 3) % 8) as f32 / 12.0;
                *g = if (i + t).is_multiple_of(3) { -size * x } else { size * x };
            }
        }
        let [a, b, c] = &mut self.params;
        let grads: Vec<&[f32]> = grads.iter().map(Vec::as_slice).collect();
        self.applied.step(&mut [a, b, c], &grads, Some(1.0 / (1.0 + t as f32)), None, Scale::ONE)
    }

    fn all(&self) -> impl Iterator<Item = &f32> {
        self.params.iter().flatten().chain(&self.applied.state().data[..])
    }
}

/// A large gradient is a step like any other, or it is refused with the tensor's name and nothing changes. Either way
/// everything stays finite, the state too.
#[test]
fn no_finite_gradient_ends_an_optimizer() {
    for (json, _) in OPTIMIZERS {
        for size in SIZES {
            let mut run = start(json, NonFinite::Throw);
            run.step([0.1, 0.1, 0.1], 0).unwrap();
            let before = run.params.clone();
            match run.step([0.1, 0.1, size], 1) {
                Ok(_) => {
                    assert!(!matches!(run.range, GradRange::Refused) || size < 1e18, "{json} {size}")
                }
                Err(e) => {
                    assert_eq!(e.code, ErrorCode::DataInvalid, "{json}");
                    assert!(e.message.contains("`c`"), "{json}: {}", e.message);
                    assert!(matches!(run.range, GradRange::Refused), "{json}: {}", e.message);
                    assert_eq!(run.params, before, "{json}");
                }
            }
            assert!(run.all().all(|x| x.is_finite()), "{json} {size}: not finite");
            for t in 2..20 {
                run.step([0.1; 3], t).unwrap();
            }
            // A mean of squares that is finite is forgotten in time; an infinite one would end all steps.
            assert!(run.all().all(|x| x.is_finite()), "{json} {size}: not finite afterwards");
        }
    }
}

/// Rules whose step does not depend on the gradient's size take the same first step at any size. Tolerance: eps is
/// nothing beside 1e10, so only rounding is left; factors are powers of two.
#[test]
fn first_steps_do_not_depend_on_the_size() {
    for json in [
        r#"{"name":"adam","lr":0.01}"#,
        r#"{"name":"adamw","lr":0.01}"#,
        r#"{"name":"nadamw","lr":0.01}"#,
        r#"{"name":"rmsprop","lr":0.01}"#,
        r#"{"name":"adabelief","lr":0.01}"#,
        r#"{"name":"adagrad","lr":0.01}"#,
        r#"{"name":"sm3","lr":0.01}"#,
        r#"{"name":"lamb","lr":0.01}"#,
        r#"{"name":"lars","lr":1}"#,
        r#"{"name":"fromage","lr":0.01}"#,
        r#"{"name":"adafactor","lr":0.01}"#,
        r#"{"name":"adafactor","lr":0.01,"minDimSizeToFactor":2}"#,
        r#"{"name":"muon","dialect":"celo2","lr":0.01}"#,
        r#"{"name":"muon","dialect":"optax","lr":0.01}"#,
        r#"{"name":"shampoo","lr":1e-12,"start":1}"#,
        r#"{"name":"clip_gradients","by":"globalNorm","max":1,"inner":{"name":"sgd","lr":1}}"#,
        r#"{"name":"clip_gradients","by":"tensorNorm","max":1,"inner":{"name":"sgd","lr":1}}"#,
        r#"{"name":"clip_gradients","by":"globalNorm","max":1e-25,"inner":{"name":"adam","eps":0,"lr":0.01}}"#,
    ] {
        let first = |size: f32| {
            let mut run = start(json, NonFinite::Throw);
            run.step([size; 3], 0).unwrap();
            run.params
        };
        let expected = first(1e10);
        for size in [1e15, 1e18, 1e19, 1e20, 1e30, 3e38] {
            for (got, expected) in first(size).iter().flatten().zip(expected.iter().flatten()) {
                let tolerance = 1e-5 * (expected.abs() + 0.01);
                let is_close = (got - expected).abs() < tolerance || json.contains("shampoo");
                assert!(is_close, "{json} {size}: {got} instead of {expected}");
            }
        }
    }
}

/// A norm is taken of elements whose squares f32 does not hold, at either end: the step has the length `max`.
#[test]
fn clipped_steps_have_the_length_of_the_bound() {
    for by in ["globalNorm", "tensorNorm"] {
        for (size, max) in
            [(1e20, 1.0), (3e38, 1.0), (1e18, 1e-3), (1e-15, 1e-22), (1e-30, 1e-33), (1.0, 1e-30)]
        {
            let json = format!(
                r#"{{"name":"clip_gradients","by":"{by}","max":{max:e},"inner":{{"name":"sgd","lr":1}}}}"#
            );
            let mut run = start(&json, NonFinite::Throw);
            run.params.iter_mut().for_each(|p| p.fill(0.0));
            run.step([size; 3], 0).unwrap();
            let norm = |x: &[f32]| x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
            let norms = match by {
                "globalNorm" => vec![norm(&run.params.concat())],
                _ => run.params.iter().map(|p| norm(p)).collect(),
            };
            // 1e-5: sums of 340 squares in f32.
            assert!(norms.iter().all(|n| (n / max - 1.0).abs() < 1e-5), "{json} {size}: {norms:?}");
        }
    }
}

/// What is refused counts as not finite under the other policies too.
#[test]
fn policies_treat_what_is_refused_as_not_finite() {
    let json = r#"{"name":"rms_mlp"}"#;
    let mut run = start(json, NonFinite::Skip);
    let before = run.params.clone();
    assert!(!run.step([0.1, 0.1, 1e20], 0).unwrap().is_applied);
    assert_eq!(run.params, before);
    let mut run = start(json, NonFinite::Zero);
    let report = run.step([0.1, 0.1, 1e20], 0).unwrap();
    assert_eq!((report.is_applied, report.num_zeroed, report.num_held), (true, 340, 0));
    assert!(run.all().all(|x| x.is_finite()));
    let mut run = start(r#"{"name":"rmsprop","lr":0.01}"#, NonFinite::Zero);
    let report = run.step([0.1, 1e30, 1e20], 0).unwrap();
    assert_eq!((report.is_applied, report.num_zeroed, report.num_held), (true, 0, 2));
}
