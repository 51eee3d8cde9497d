//! Decays next to 1, where f32 has few numbers left: under a constant gradient corrected means are the gradient at every
//! update, so that steps are lr.
#![allow(clippy::unwrap_used, missing_docs)]

use outerloop_core::apply::{Applied, ApplyOptions, NonFinite};
use outerloop_core::error::ErrorCode;
use outerloop_core::optim::Scale;
use outerloop_core::params::TensorSpec;
use outerloop_core::simd::Cpu;
use outerloop_core::zoo::{OptimizerConfig, build_optimizer};

/// The steps of `count` updates of one parameter under gradient 1.
fn steps(json: &str, count: usize) -> Vec<f64> {
    let config = OptimizerConfig::from_json(json).unwrap();
    let optimizer = build_optimizer(&config).unwrap();
    let spec = TensorSpec::new("w", [2, 1]);
    let options = ApplyOptions {
        num_steps: Some(1000),
        non_finite: NonFinite::Throw,
        threads: 1,
        cpu: Cpu::detect().unwrap(),
    };
    let theta = [].into();
    let mut applied = Applied::new(optimizer, theta, vec![spec], &[&[0.0; 2]], options).unwrap();
    let step = |_| {
        let mut w = [0.0; 2];
        applied.step(&mut [&mut w], &[&[1.0; 2]], Some(1.0), None, Scale::ONE).unwrap();
        -f64::from(w[0])
    };
    (0..count).map(step).collect()
}

/// Tolerance: 5e-5, half of the 1e-4 that a published literal 1 − β may be off, through the root; and what the running mean
/// gathers in roundings of f32, 2⁻²⁵ an update beside 1 − β of it.
#[test]
fn steps_under_a_constant_gradient_are_lr() {
    for distance in [1e-3, 1e-4, 1e-5, 1e-6, 3e-7, 1e-7, 4e-8] {
        let beta = 1.0 - distance;
        for key in ["beta1", "beta2"] {
            for rest in [
                r#""name":"adam","eps":0"#,
                r#""name":"adamw","eps":0,"weightDecay":0"#,
                r#""name":"nadamw","eps":0,"nesterov":false"#,
                r#""name":"nadamw","eps":0,"nesterov":false,"arrayBetas":true"#,
                r#""name":"muon","dialect":"celo2","adamEps":0,"adamPattern":"w""#,
            ] {
                let key = if rest.contains("muon") { key.replace("beta", "adamBeta") } else { key.into() };
                let json = format!(r#"{{{rest},"lr":1,"{key}":{beta:?}}}"#);
                for (t, step) in steps(&json, 200).into_iter().enumerate() {
                    assert!((step - 1.0).abs() < 2e-4, "{json}, update {}: {step}", t + 1);
                }
            }
        }
    }
}

/// RAdam's memory is about t updates long at update t where t(1 − β₂) is small. So the first four steps do not use the second
/// moment (below a threshold of 5) and are lr; from the sixth on they are lr·r, with r of the paper's formula (Liu et al. 2019,
/// arXiv:1908.03265) in f64. Tolerance: as above.
#[test]
fn radam_takes_the_branch_of_its_beta() {
    for distance in [1e-4, 1e-5, 1e-6, 1e-7] {
        let json = format!(r#"{{"name":"radam","lr":1,"eps":0,"beta2":{:?}}}"#, 1.0 - distance);
        let steps = steps(&json, 40);
        for step in &steps[..4] {
            assert!((step - 1.0).abs() < 1e-4, "{json}: {steps:?}");
        }
        let rest = 1.0 - f64::from((1.0 - distance) as f32);
        let longest = 2.0 / rest - 1.0;
        for (i, step) in steps.iter().enumerate().skip(5) {
            let t = (i + 1) as f64;
            let power = (t * (-rest).ln_1p()).exp();
            let rho = longest - 2.0 * t * power / -(t * (-rest).ln_1p()).exp_m1();
            let r = (rho - 4.0) * (rho - 2.0) * longest / ((longest - 4.0) * (longest - 2.0) * rho);
            assert!(
                (step / r.sqrt() - 1.0).abs() < 2e-4,
                "{json}, update {t}: {step}, expected {}",
                r.sqrt()
            );
        }
    }
}

#[test]
fn what_rounds_to_one_is_refused() {
    for json in [
        r#"{"name":"adam","lr":1,"beta1":0.99999999}"#,
        r#"{"name":"rmsprop","lr":1,"decay":0.99999998}"#,
        r#"{"name":"momentum","lr":1,"momentum":0.99999999}"#,
        r#"{"name":"adafactor","lr":1,"momentum":0.99999999}"#,
        r#"{"name":"adam","lr":1e308}"#,
        r#"{"name":"adam","lr":1e-50}"#,
    ] {
        let error = OptimizerConfig::from_json(json).err().unwrap_or_else(|| panic!("{json} was taken"));
        assert_eq!(error.code, ErrorCode::InvalidOption);
    }
}
