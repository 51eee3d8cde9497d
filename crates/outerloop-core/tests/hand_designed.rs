//! Promises of hand-designed optimizers: NaN is never hidden, factors multiply the step, a gradient of zeros is survived
//! without eps, and closed forms of what has no published numbers.
#![allow(clippy::unwrap_used, missing_docs)]

mod twin;

use outerloop_core::optim::{Losses, Scale, Step, Tensors, empty_state};
use outerloop_core::params::{ParamLayout, TensorSpec};
use outerloop_core::simd::{AlignedVec, Cpu, Workers};
use outerloop_core::zoo::build_optimizer;
use twin::{Fast, config};

const OPTIMIZERS: &[&str] = &[
    r#"{"name":"sgd","lr":0.1}"#,
    r#"{"name":"momentum","lr":0.1}"#,
    r#"{"name":"adam","lr":0.1,"eps":0}"#,
    r#"{"name":"rmsprop","lr":0.1,"eps":0}"#,
    r#"{"name":"rmsprop","lr":0.1,"eps":0,"momentum":0.5}"#,
    r#"{"name":"adamw","lr":0.1,"eps":0,"weightDecay":0}"#,
    r#"{"name":"nadamw","lr":0.1,"eps":0}"#,
    r#"{"name":"adam8p","lr":0.1,"eps":0}"#,
    r#"{"name":"adagrad","lr":0.1,"eps":0,"initialAccumulator":0}"#,
    r#"{"name":"lion","lr":0.1,"weightDecay":0}"#,
    r#"{"name":"yogi","lr":0.1,"eps":0,"initialAccumulator":0}"#,
    r#"{"name":"radam","lr":0.1,"eps":0,"beta2":0.9,"threshold":4}"#,
    r#"{"name":"adabelief","lr":0.1,"eps":0,"epsRoot":0}"#,
];

fn fast(json: &str, params: &[f32]) -> Fast {
    let specs = [TensorSpec::new("w", [params.len()])];
    Fast::new(&config(json), &[], &specs, &[params.to_vec()], Cpu::detect().unwrap())
}

#[test]
fn nan_is_not_hidden() {
    for json in OPTIMIZERS {
        let mut fast = fast(json, &[1.0, 2.0]);
        for _ in 0..9 {
            fast.step(&[vec![f32::NAN, 0.5]], 0.0, None);
        }
        assert!(fast.params[0].is_nan() && fast.params[1].is_finite(), "{json}: {:?}", &fast.params[..2]);
    }
}

/// 0/0 is no step.
#[test]
fn zeros_without_eps_move_nothing() {
    for json in OPTIMIZERS {
        let mut fast = fast(json, &[1.0, 2.0]);
        for _ in 0..9 {
            fast.step(&[vec![0.0, 0.5]], 0.0, None);
        }
        assert!(fast.params[0] == 1.0 && fast.params[1] < 2.0, "{json}: {:?}", &fast.params[..2]);
    }
}

/// One step from 0 with weights on two tensors: 2·3 times the plain step for the first, nothing for the second. Tolerance:
/// the roundings of the factor's product with the rate and of the step.
#[test]
fn factors_multiply_the_step() {
    let layout = ParamLayout::new(vec![TensorSpec::new("a", [3]), TensorSpec::new("b", [2])]).unwrap();
    let step = |json: &str, scale: Scale<'_>| {
        let optimizer = build_optimizer(&config(json)).unwrap();
        let mut state = empty_state(&*optimizer, &layout, 100);
        let mut update = optimizer.bind((&[][..]).into(), &layout).unwrap();
        let mut params = AlignedVec::zeros(layout.padded_len());
        let mut grads = params.clone();
        layout.pack(&[0.3, -0.2, 0.1, 0.4, -0.5], &mut grads).unwrap();
        update.init(&params, state.view());
        update.step(Step {
            workers: Workers::one(Cpu::detect().unwrap()),
            state: state.view(),
            params: Tensors::joint(&mut params),
            grads: Tensors::joint(&mut grads),
            losses: Losses { train: 1.0, valid: None },
            scale,
        });
        params
    };
    for json in OPTIMIZERS {
        let plain = step(json, Scale::ONE);
        let scaled = step(json, Scale::ONE.times(2.0).by_tensor(&[3.0, 0.0]));
        for i in layout.range(0) {
            let expected = 6.0 * plain[i];
            assert!(
                (scaled[i] - expected).abs() <= 2e-7 * expected.abs(),
                "{json}: {} {expected}",
                scaled[i]
            );
            assert!(plain[i] != 0.0, "{json}");
        }
        assert!(layout.range(1).all(|i| scaled[i] == 0.0), "{json}");
    }
}

/// A constant gradient makes m̂ = g and √v̂ = |g|, so a step of Adam is its rate: with l1 the gradient is 0.1 + 0.5. The
/// rates of three steps by hand. Tolerance: the eps inside the root, 1e-10/0.36, and roundings of a parameter near 1.
#[test]
fn the_rate_of_adam8p_decays() {
    let json = r#"{"name":"adam8p","lr":0.01,"eps":0,"l1":0.5,"linearDecay":0.25,"exponentialDecay":0.5}"#;
    let mut plain = fast(json, &[1.0]);
    let mut expected = 1.0;
    for s in 0..6 {
        plain.step(&[vec![0.1]], 0.0, None);
        expected -= 0.01 * (1.0 - 0.25 * f64::from(s)).max(0.0) * (-0.5 * f64::from(s)).exp();
        assert!((f64::from(plain.params[0]) - expected).abs() < 3e-7, "{s}: {} {expected}", plain.params[0]);
    }
    // Of a run of 100 steps, one is a hundred ten-thousandths; the l2 term alone gives a gradient of 2·0.25·p.
    let json = r#"{"name":"adam8p","lr":0.01,"eps":0,"l2":0.25,"exponentialDecay":0.001,"rescaleTime":true,"beta1":0}"#;
    let mut rescaled = fast(json, &[1.0]);
    rescaled.step(&[vec![0.0]], 0.0, None);
    assert!((f64::from(rescaled.params[0]) - 0.99).abs() < 1e-7);
    let before = f64::from(rescaled.params[0]);
    rescaled.step(&[vec![0.0]], 0.0, None);
    // m̂ is 0.5·p, v̂ the weighted mean of the squares of both gradients.
    let square = (0.999 * 0.25 + 0.25 * before * before) / 1.999;
    let expected = before - 0.01 * (-0.1f64).exp() * 0.5 * before / square.sqrt();
    assert!((f64::from(rescaled.params[0]) - expected).abs() < 2e-7, "{} {expected}", rescaled.params[0]);
}

/// As published the term pushes weights away from 0, on both sides alike.
#[test]
fn l2_fixed_pulls_weights_to_zero() {
    let after = |l2_fixed: bool| {
        let json = format!(r#"{{"name":"nadamw","lr":0.01,"l2":0.1,"l2Fixed":{l2_fixed}}}"#);
        let mut fast = fast(&json, &[1.0, -1.0]);
        fast.step(&[vec![0.0, 0.0]], 0.0, None);
        [fast.params[0], fast.params[1]]
    };
    let ([pushed, mirrored], [pulled, _]) = (after(false), after(true));
    assert!(pushed > 1.0 && pulled < 1.0 && pushed == -mirrored, "{pushed} {mirrored} {pulled}");
}
