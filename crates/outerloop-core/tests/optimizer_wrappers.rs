//! Wrappers of optimizers: what they do by hand, and what they must not change, to the bit.
#![allow(clippy::unwrap_used, missing_docs)]

mod twin;

use outerloop_core::optim::{Needs, Overwrites, StepFactor};
use outerloop_core::params::TensorSpec;
use outerloop_core::rng::{Key, Purpose};
use outerloop_core::simd::Cpu;
use outerloop_core::zoo::{OptimizerConfig, build_optimizer};
use serde_json::{Value, json};
use twin::{Fast, config};

fn specs() -> Vec<TensorSpec> {
    let spec = |(name, shape): (&str, &[usize])| TensorSpec::new(name, shape);
    let all: [(&str, &[usize]); 5] =
        [("l0/b", &[5]), ("l0/w", &[4, 5]), ("l1/w", &[5, 7]), ("l2/w", &[7, 3]), ("s", &[])];
    all.map(spec).into()
}

fn normal(stream: u64, len: usize) -> Vec<f32> {
    let mut out = vec![0.0; len];
    Key::new(3, Purpose::Unroll).fold(stream).fill_normal(&mut out);
    out
}

/// Numbers for every tensor.
fn draw(stream: u64) -> Vec<Vec<f32>> {
    specs().iter().enumerate().map(|(i, s)| normal(100 * stream + i as u64, s.len())).collect()
}

fn start(json: &Value) -> Fast {
    let config = config(&json.to_string());
    let len = build_optimizer(&config).unwrap().theta_spec().len();
    let theta: Vec<f32> = normal(77, len).iter().map(|x| 0.2 * x).collect();
    Fast::new(&config, &theta, &specs(), &draw(0), Cpu::detect().unwrap())
}

fn loss(t: u64) -> f32 {
    2.0 / (1.0 + 0.1 * t as f32)
}

fn valid(t: u64) -> Option<f32> {
    t.is_multiple_of(10).then(|| loss(t) + 0.1)
}

/// Parameters, flat, after `steps` steps.
fn run(json: &Value, steps: u64) -> Vec<f32> {
    let mut fast = start(json);
    for t in 0..steps {
        fast.step(&draw(t + 1), loss(t), valid(t));
        assert!(fast.gaps_are_zero(), "{json}");
    }
    flat(&fast)
}

fn flat(fast: &Fast) -> Vec<f32> {
    (0..fast.layout.num_tensors()).flat_map(|i| fast.params[fast.layout.range(i)].to_vec()).collect()
}

fn bits(x: &[f32]) -> Vec<u32> {
    x.iter().map(|x| x.to_bits()).collect()
}

/// Equal but for rounding of numbers near 1 over a few steps.
fn close(got: &[f32], expected: &[f32], tolerance: f32) {
    assert_eq!(got.len(), expected.len());
    for (g, e) in got.iter().zip(expected) {
        assert!((g - e).abs() <= tolerance, "{g} {e}");
    }
}

const INNER: [&str; 5] = [
    r#"{"name":"sgd","lr":0.1}"#,
    r#"{"name":"adam","lr":0.01}"#,
    r#"{"name":"adafac_mlp","stepMult":0.01}"#,
    r#"{"name":"hierarchical","variant":"library","stepMult":0.01}"#,
    r#"{"name":"hierarchical","variant":"paper","stepMult":0.01}"#,
];

fn inner() -> impl Iterator<Item = Value> {
    INNER.iter().map(|json| serde_json::from_str(json).unwrap())
}

/// Wrappers that do nothing with these options have the bits of what is inside, learned optimizers included.
#[test]
fn idle_wrappers_change_no_bit() {
    for inner in inner() {
        let expected = bits(&run(&inner, 12));
        for wrapper in [
            json!({"name": "schedule", "factor": {"kind": "constant", "value": 1}, "inner": inner}),
            json!({"name": "scaled", "inner": inner}),
            json!({"name": "scaled", "inner": inner, "tensors": [{"pattern": "none", "factor": 3}]}),
            json!({"name": "accumulate", "steps": 1, "inner": inner}),
            json!({"name": "weight_decay", "weightDecay": 0.5, "pattern": "none", "inner": inner}),
            json!({"name": "weight_decay", "weightDecay": 0, "kind": "l2", "inner": inner}),
            json!({"name": "clip_gradients", "by": "element", "max": 1e6, "inner": inner}),
            json!({"name": "clip_gradients", "by": "tensorNorm", "max": 1e6, "inner": inner}),
            json!({"name": "clip_gradients", "by": "globalNorm", "max": 1e6, "inner": inner}),
        ] {
            assert_eq!(bits(&run(&wrapper, 12)), expected, "{wrapper}");
            let twice = json!({"name": "accumulate", "steps": 1, "inner": wrapper});
            assert_eq!(bits(&run(&twice, 12)), expected, "{twice}");
        }
    }
}

/// A factor of the step is one of the learning rate. Powers of two, so that products are exact.
#[test]
fn factors_multiply_learning_rates() {
    let sgd = |lr: f64| json!({"name": "sgd", "lr": lr});
    let wrapped = |factor: f64| json!({"name": "scaled", "factor": factor, "inner": sgd(0.1)});
    assert_eq!(bits(&run(&wrapped(2.0), 5)), bits(&run(&sgd(0.2), 5)));
    let nested = json!({
        "name": "schedule", "factor": {"kind": "constant", "value": 4}, "inner": wrapped(0.5),
    });
    assert_eq!(bits(&run(&nested, 5)), bits(&run(&sgd(0.2), 5)));
    for name in ["mlp_lopt", "adafac_mlp"] {
        let learned = |step_mult: f64| json!({"name": name, "stepMult": step_mult});
        let wrapped = json!({"name": "scaled", "factor": 2, "inner": learned(0.25)});
        // The factor may multiply elsewhere: a rounding of steps of about 0.1 for each of 5 steps.
        close(&run(&wrapped, 5), &run(&learned(0.5), 5), 1e-6);
    }
}

/// Patterns multiply, and µP divides the width of the one matrix that is neither first nor last: 5 rows.
#[test]
fn tensors_have_factors_of_their_own() {
    let inner = json!({"name": "sgd", "lr": 0.5});
    let scaled = json!({
        "name": "scaled", "factor": 0.5, "mupBaseWidth": 20, "inner": inner,
        "tensors": [{"pattern": "w$", "factor": 4}, {"pattern": "^l1/", "factor": 0.5}],
    });
    let outside = json!({
        "name": "scaled", "tensors": [{"pattern": "^s$", "factor": 8}], "inner": scaled,
    });
    let mut fast = start(&outside);
    fast.step(&draw(1), 1.0, None);
    let (before, grads) = (draw(0), draw(1));
    for (i, factor) in [0.5f32, 2.0, 4.0, 2.0, 4.0].into_iter().enumerate() {
        let got = &fast.params[fast.layout.range(i)];
        for ((got, p), g) in got.iter().zip(&before[i]).zip(&grads[i]) {
            assert_eq!(*got, (-0.5 * factor).mul_add(*g, *p), "{i}");
        }
    }
}

/// By hand on one step of gradient descent.
#[test]
fn clipped_gradients_are_bounded() {
    let (before, grads) = (draw(0), draw(1));
    let norm = |x: &[f32]| x.iter().map(|&x| f64::from(x).powi(2)).sum::<f64>().sqrt();
    let global = norm(&grads.concat());
    for by in ["element", "tensorNorm", "globalNorm"] {
        let inner = json!({"name": "sgd", "lr": 1});
        let got = run(&json!({"name": "clip_gradients", "by": by, "max": 0.75, "inner": inner}), 1);
        let expected = before.iter().zip(&grads).flat_map(|(p, g)| {
            let factor = match by {
                "tensorNorm" => (0.75 / norm(g)).min(1.0),
                "globalNorm" => 0.75 / global,
                _ => 1.0,
            };
            let bound = if by == "element" { 0.75 } else { f32::MAX };
            let step = |(p, g): (&f32, &f32)| {
                p - (f64::from(*g) * factor).clamp(-f64::from(bound), bound.into()) as f32
            };
            p.iter().zip(g).map(step).collect::<Vec<_>>()
        });
        // Roundings of gradients and parameters of order 1.
        close(&got, &expected.collect::<Vec<_>>(), 5e-7);
    }
    // What is not finite stays so.
    let mut fast = start(
        &json!({"name": "clip_gradients", "by": "globalNorm", "max": 1, "inner": {"name": "sgd", "lr": 1}}),
    );
    let mut wild = grads;
    wild[1][3] = f32::NAN;
    fast.step(&wild, 1.0, None);
    assert!(flat(&fast).iter().all(|x| x.is_nan()));
}

/// 3 calls of `accumulate` are one of the inner optimizer on the means, bit for bit, whatever it is.
#[test]
fn accumulated_gradients_are_means() {
    for inner in inner() {
        let mut wrapped = start(&json!({"name": "accumulate", "steps": 3, "inner": inner}));
        let mut expected = start(&inner);
        expected.state.num_steps /= 3;
        for update in 0..8u64 {
            let calls = [0, 1, 2].map(|k| 3 * update + k);
            let before = bits(&flat(&wrapped));
            for t in calls {
                assert_eq!(bits(&flat(&wrapped)), before);
                wrapped.step(&draw(t + 1), loss(t), (t % 12 == 0).then_some(1.5));
            }
            let mut mean = draw(calls[0] + 1);
            for (i, tensor) in mean.iter_mut().enumerate() {
                for (j, x) in tensor.iter_mut().enumerate() {
                    *x = (*x + draw(calls[1] + 1)[i][j] + draw(calls[2] + 1)[i][j]) / 3.0;
                }
            }
            let losses = calls.map(loss);
            let mean_loss = (losses[0] + losses[1] + losses[2]) / 3.0;
            expected.step(&mean, mean_loss, (update % 4 == 0).then_some(1.5));
            assert_eq!(bits(&flat(&wrapped)), bits(&flat(&expected)), "{inner} {update}");
        }
    }
}

/// AdamW by hand: p ← Adam's p − wd·(p before); and with a pattern only where it says.
#[test]
fn decoupled_decay_reads_the_parameters_before_the_step() {
    let adam = json!({"name": "adam", "lr": 0.01});
    let plain = run(&adam, 1);
    let decayed = json!({"name": "weight_decay", "weightDecay": 0.25, "pattern": "w$", "inner": adam});
    let names: Vec<bool> = specs().iter().flat_map(|s| vec![s.name.ends_with('w'); s.len()]).collect();
    let before = draw(0).concat();
    let expected = |factor: f32| -> Vec<f32> {
        let decay =
            |i: usize| if names[i] { (-0.25 * factor).mul_add(before[i], plain[i]) } else { plain[i] };
        (0..before.len()).map(decay).collect()
    };
    assert_eq!(bits(&run(&decayed, 1)), bits(&expected(1.0)));
    // A factor outside multiplies both.
    let half = json!({"name": "scaled", "factor": 0.5, "inner": decayed});
    let plain = run(&json!({"name": "scaled", "factor": 0.5, "inner": adam}), 1);
    let got = run(&half, 1);
    for i in 0..before.len() {
        let expected = if names[i] { (-0.125f32).mul_add(before[i], plain[i]) } else { plain[i] };
        assert_eq!(got[i], expected);
    }
}

/// l2 in gradient descent is a decay of lr·wd; a learned optimizer that reads the loss sees it grow.
#[test]
fn l2_adds_to_gradient_and_loss() {
    let sgd = json!({"name": "sgd", "lr": 0.5});
    let l2 =
        |inner: &Value| json!({"name": "weight_decay", "kind": "l2", "weightDecay": 0.1, "inner": inner});
    let (before, grads) = (draw(0).concat(), draw(1).concat());
    let expected: Vec<f32> = before.iter().zip(&grads).map(|(p, g)| p - 0.5 * (g + 0.1 * p)).collect();
    close(&run(&l2(&sgd), 1), &expected, 3e-7);

    let learned = json!({"name": "hierarchical", "variant": "library", "stepMult": 0.1});
    let mut wrapped = start(&l2(&learned));
    let mut by_hand = start(&learned);
    for t in 0..4 {
        let mut grads = draw(t + 1);
        let mut squares = 0.0;
        for (i, tensor) in grads.iter_mut().enumerate() {
            let p = &by_hand.params[by_hand.layout.range(i)];
            tensor.iter_mut().zip(p).for_each(|(g, p)| *g = 0.1f32.mul_add(*p, *g));
            squares += p.iter().map(|&p| f64::from(p).powi(2)).sum::<f64>();
        }
        wrapped.step(&draw(t + 1), loss(t), None);
        by_hand.step(&grads, loss(t) + (f64::from(0.1f32) * squares) as f32, None);
        // The sum of squares is in f32 there: it moves the loss by a few roundings.
        close(&flat(&wrapped), &flat(&by_hand), 1e-5);
    }
}

/// The formulas at places where they are simple.
#[test]
fn schedules_have_their_closed_forms() {
    let at = |json: &str, t: u64| {
        let factor: StepFactor = serde_json::from_str(json).unwrap();
        factor.at(t, 100)
    };
    let warmup = r#"{"kind":"linear_warmup","warmupSteps":4,"start":0.2}"#;
    for (t, expected) in [(0, 0.2), (1, 0.4), (2, 0.6), (4, 1.0), (50, 1.0)] {
        assert!((at(warmup, t) - expected).abs() < 1e-15);
    }
    let cosine = r#"{"kind":"cosine","warmupSteps":20,"end":0.5}"#;
    for (t, expected) in [(0, 0.0), (10, 0.5), (20, 1.0), (60, 0.75), (100, 0.5), (1000, 0.5)] {
        assert!((at(cosine, t) - expected).abs() < 1e-15, "{t}");
    }
    let third = r#"{"kind":"cosine","totalSteps":3}"#;
    assert!((at(third, 1) - 0.75).abs() < 1e-15 && (at(third, 2) - 0.25).abs() < 1e-15);
    let steps = r#"{"kind":"piecewise","breakpoints":[{"step":3,"factor":0.5},{"step":5,"factor":0.1}]}"#;
    assert_eq!([0, 2, 3, 4, 5, 9].map(|t| at(steps, t)), [1.0, 1.0, 0.5, 0.5, 0.1, 0.1]);
    let exponential = r#"{"kind":"exponential","rate":0.25,"every":2}"#;
    assert_eq!([0, 1, 2, 4].map(|t| at(exponential, t)), [1.0, 0.5, 0.25, 0.0625]);
    let root = r#"{"kind":"inverse_sqrt"}"#;
    assert_eq!([0, 499, 999, 3999].map(|t| at(root, t)), [0.001, 0.5, 1.0, 0.5]);
}

/// Gradient descent whose rate is that of the schedule, counted from 0: each step by hand, one rounding each.
#[test]
fn schedules_scale_steps() {
    let factor = json!({"kind": "cosine", "warmupSteps": 3, "totalSteps": 9, "end": 0.1});
    let schedule: StepFactor = serde_json::from_value(factor.clone()).unwrap();
    let inner = json!({"name": "sgd", "lr": 0.1});
    let mut fast = start(&json!({"name": "schedule", "factor": factor, "inner": inner}));
    let mut expected = draw(0).concat();
    for t in 0..12 {
        fast.step(&draw(t + 1), 1.0, None);
        let rate = 0.1f32 * schedule.at(t, 100) as f32;
        expected.iter_mut().zip(draw(t + 1).concat()).for_each(|(p, g)| *p = (-rate).mul_add(g, *p));
        assert_eq!(flat(&fast), expected, "{t}");
    }
}

/// Steps add: descent with rates a and b is descent with a + b, and theta's parts go where they belong.
#[test]
fn sums_add_steps() {
    let sgd = |lr: f64| json!({"name": "sgd", "lr": lr});
    let sum = |first: &Value, second: &Value| json!({"name": "sum", "first": first, "second": second});
    // Three roundings more a step, of numbers of order 1.
    close(&run(&sum(&sgd(0.1), &sgd(0.2)), 5), &run(&sgd(0.3), 5), 2e-6);
    // A validation loss goes to the one that asks, and its count of iterations is its own.
    let library = json!({"name": "hierarchical", "variant": "library", "stepMult": 0.01});
    let still = json!({"name": "scaled", "factor": 0, "inner": {"name": "adam", "lr": 0.1}});
    let alone = run(&library, 12);
    let both = sum(&library, &still);
    assert_eq!(bits(&run(&both, 12)), bits(&alone));
    let optimizer = build_optimizer(&config(&sum(&still, &library).to_string())).unwrap();
    let leaves = &optimizer.theta_spec().leaves;
    assert!(leaves.iter().all(|(leaf, _)| leaf.name.starts_with("inner_lopt_theta_1/")));
    let needs = build_optimizer(&config(&library.to_string())).unwrap().needs();
    // But for the gradients: each of the two gets copies.
    assert_eq!(optimizer.needs(), Needs { overwrites_grads: Overwrites::Never, ..needs });
    // p + (p' − p) is p' but for one rounding.
    close(&run(&sum(&still, &library), 12), &alone, 1e-4);
}

/// Descent's direction with Adam's length: by hand on the first step, whose length in Adam is lr·√n.
#[test]
fn grafts_have_one_length_and_the_other_direction() {
    let graft = |scale: f64| {
        let graft = json!({
            "name": "graft", "magnitude": {"name": "adam", "lr": 0.01}, "direction": {"name": "sgd", "lr": 3},
        });
        json!({"name": "scaled", "factor": scale, "inner": graft})
    };
    let (before, grads) = (draw(0).concat(), draw(1).concat());
    let norm = grads.iter().map(|&g| f64::from(g).powi(2)).sum::<f64>().sqrt();
    let length = 0.01 * (grads.len() as f64).sqrt();
    for scale in [1.0, 0.5] {
        let step = |(p, g): (&f32, &f32)| p - (scale * length / norm * f64::from(*g)) as f32;
        let expected: Vec<f32> = before.iter().zip(&grads).map(step).collect();
        // Steps are differences of parameters near 1: a rounding of each.
        close(&run(&graft(scale), 1), &expected, 3e-7);
    }
    // Nowhere to go: no step.
    let mut fast = start(&graft(1.0));
    let zeros: Vec<Vec<f32>> = specs().iter().map(|s| vec![0.0; s.len()]).collect();
    fast.step(&zeros, 1.0, None);
    assert_eq!(flat(&fast), before);
}

/// Theta of a wrapper is that of what is inside: the same leaves in the same order.
#[test]
fn theta_is_that_of_what_is_inside() {
    let leaves = |json: &Value| {
        let config = OptimizerConfig::from_json(&json.to_string()).unwrap();
        build_optimizer(&config).unwrap().theta_spec().clone()
    };
    let learned = json!({"name": "celo2"});
    let clip = json!({"name": "clip_gradients", "by": "element", "max": 3, "inner": learned});
    let wrapped = json!({"name": "accumulate", "steps": 2, "inner": clip});
    assert_eq!(leaves(&wrapped), leaves(&learned));
}
