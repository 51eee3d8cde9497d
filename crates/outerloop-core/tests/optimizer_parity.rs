//! Isolated steps of every fast optimizer against its f64 twin, re-synchronised before each: the twin takes the fast
//! parameters and state, both step on the same gradient, and one step's rounding is compared.
//!
//! Tolerance of the parameters: 1e-5 of the step's scale plus one rounding of the parameter (2⁻²⁴ of it), the scale
//! being the largest change of any element of the tensor in this step, and for a learned optimizer at least a tenth of
//! its `stepMult`: outputs of a network whose inputs are normalised are of order 1, and one near 0 has cancelled. So
//! the change of a single element, or of a tensor of one element, is no scale.
//! Tolerance of the state: 1e-5 of the tensor's largest element before or after the step: a mean that crosses zero keeps
//! the rounding of what cancelled.
#![allow(clippy::unwrap_used, missing_docs)]

mod twin;

use outerloop_core::optim::{OptimizerConfig, build_optimizer};
use outerloop_core::params::TensorSpec;
use outerloop_core::reference::{Constants, Tensor};
use outerloop_core::rng::{Key, Purpose};
use outerloop_core::simd::Cpu;
use twin::{Fast, config, tensors, twin_of};

const CASES: [(&str, &str); 20] = [
    ("sgd", r#"{"name":"sgd","lr":0.03}"#),
    ("momentum", r#"{"name":"momentum","lr":0.01}"#),
    ("nesterov", r#"{"name":"momentum","lr":0.01,"nesterov":true}"#),
    ("adam", r#"{"name":"adam","lr":0.003}"#),
    ("adam with epsRoot", r#"{"name":"adam","lr":0.003,"epsRoot":1e-8}"#),
    ("mlp_lopt", r#"{"name":"mlp_lopt","stepMult":0.01,"expMult":0.01}"#),
    ("celo2, base", r#"{"name":"celo2","stepMult":0.01,"orthogonalize":false,"adamPattern":null}"#),
    ("celo2", r#"{"name":"celo2","stepMult":0.01,"adamPattern":"p[0-3]$"}"#),
    (
        "celo2, every option",
        r#"{"name":"celo2","stepMult":0.01,"expMult":0.1,"weightDecay":0.1,"adamPattern":"p[13]$","adamMult":2,"adamBiasCorrection":true}"#,
    ),
    ("adafac_mlp, 4 units", r#"{"name":"adafac_mlp","stepMult":0.01,"expMult":0.01}"#),
    ("adafac_mlp, 32 units", r#"{"name":"adafac_mlp","hidden":32,"stepMult":0.01,"expMult":0.01}"#),
    (
        "hierarchical, library",
        r#"{"name":"hierarchical","variant":"library","stepMult":0.01,"expMult":0.01}"#,
    ),
    ("hierarchical, paper", r#"{"name":"hierarchical","variant":"paper","stepMult":0.01,"expMult":0.01}"#),
    (
        "hierarchical, paper, exact",
        r#"{"name":"hierarchical","variant":"paper","oldParams":"exact","stepMult":0.01,"expMult":0.01}"#,
    ),
    (
        "velo",
        r#"{"name":"velo","lstmHidden":20,"paramInits":7,"ffMult":10,"expMult":0.01,"buggedLossFeatures":false,"buggedNextLstmState":false}"#,
    ),
    (
        "velo, bugged",
        r#"{"name":"velo","lstmHidden":33,"paramInits":18,"ffMult":10,"buggedLossFeatures":true,"buggedNextLstmState":true}"#,
    ),
    ("celo, phase 1", r#"{"name":"celo","phase":1,"expMult":0.01}"#),
    ("celo, phase 2", r#"{"name":"celo","phase":2,"stepMult":0.01,"expMult":0.01}"#),
    ("celo, several networks", r#"{"name":"celo","phase":2,"paramInits":5,"lstmHidden":19,"stepMult":0.01}"#),
    ("celo_adam", r#"{"name":"celo_adam","stepMult":0.03}"#),
];

/// Every rank from 0 to 4; square, tall and wide matrices, and those with an axis of 1.
const SMALL: [&[usize]; 12] = [
    &[],
    &[1],
    &[7],
    &[33],
    &[5, 5],
    &[9, 4],
    &[3, 17],
    &[1, 6],
    &[6, 1],
    &[2, 3, 4],
    &[3, 3, 2, 3],
    &[16, 3],
];
/// Tensors of several blocks of 192, with blocks that end inside a row, and rows longer than a block; rows that fill
/// registers, columns that do; one of 70,000 elements.
const LARGE: [&[usize]; 9] = [
    &[300],
    &[300, 7],
    &[20, 600],
    &[5, 1, 130],
    &[3, 3, 16, 10],
    &[40, 208],
    &[64, 10],
    &[3, 5, 32],
    &[500, 140],
];

fn specs(shapes: &[&[usize]]) -> Vec<TensorSpec> {
    shapes.iter().enumerate().map(|(i, s)| TensorSpec::new(format!("p{i}"), s.to_vec())).collect()
}

fn normal(key: Key, len: usize) -> Vec<f32> {
    let mut out = vec![0.0; len];
    key.fill_normal(&mut out);
    out
}

/// Weights of theta that matter: the first draw, every leaf moved, decays a little.
fn theta(config: &OptimizerConfig, key: Key) -> Vec<f32> {
    let spec = build_optimizer(config).unwrap().theta_spec().clone();
    let mut theta = spec.init(key);
    let noise = normal(key.fold(99), theta.len());
    let mut at = 0;
    for (leaf, _) in &spec.leaves {
        let scale = if leaf.name.ends_with("decays") { 0.02 } else { 0.1 };
        for i in at..at + leaf.len() {
            theta[i] += scale * noise[i];
        }
        at += leaf.len();
    }
    theta
}

/// A pull to zero plus noise; now and then all tiny, all huge, a single spike, or a tensor of zeros.
fn gradients(fast: &Fast, key: Key, t: u64) -> Vec<Vec<f32>> {
    let [kind, which, ..] = key.fold(t).block(1 << 30);
    let scale: f32 = match kind % 50 {
        0 => 1e-12,
        1 => 1e3,
        2 => 1e-4,
        _ => 0.1,
    };
    let num = fast.layout.num_tensors();
    let mut grads: Vec<Vec<f32>> = (0..num)
        .map(|i| {
            let p = &fast.params[fast.layout.range(i)];
            let noise = normal(key.fold(t).fold(i as u64), p.len());
            p.iter().zip(noise).map(|(p, z)| 0.5 * scale.min(0.1) * p + scale * z).collect()
        })
        .collect();
    let chosen = &mut grads[which as usize % num];
    match kind % 50 {
        3 | 4 => chosen.fill(0.0),
        5 => chosen[0] = 1500.0,
        _ => {}
    }
    grads
}

/// Largest errors as fractions of the tolerance.
#[derive(Debug, Default)]
struct Worst {
    params: f64,
    state: f64,
}

/// Smallest scale of a step.
fn scale_floor(config: &OptimizerConfig) -> f64 {
    match config {
        OptimizerConfig::AdafacMlp(c) => 0.1 * c.step_mult,
        OptimizerConfig::MlpLopt(c) => 0.1 * c.step_mult,
        OptimizerConfig::Celo2(c) => 0.1 * c.step_mult,
        OptimizerConfig::Hierarchical(c) => 0.1 * c.step_mult,
        OptimizerConfig::Velo(c) => 0.1 * c.step_mult,
        OptimizerConfig::Celo(c) => 0.1 * c.step_mult,
        _ => 0.0,
    }
}

/// Tolerance of the parameters, of a step's scale. Newton–Schulz amplifies small singular values, and their rounding of
/// 2⁻²⁴ with them, up to 3.4445⁵ = 485 times.
fn relative(config: &OptimizerConfig) -> f64 {
    match config {
        OptimizerConfig::Celo2(c) if c.orthogonalize => 1e-4,
        _ => 1e-5,
    }
}

/// `steps` synchronised steps.
fn compare(json: &str, shapes: &[&[usize]], steps: u64) -> Worst {
    let config = config(json);
    let (specs, key) = (specs(shapes), Key::new(11, Purpose::Unroll));
    let theta = theta(&config, key.fold(1));
    let start = |i: usize, s: &TensorSpec| normal(key.fold(2).fold(i as u64), s.len());
    let params: Vec<_> = specs.iter().enumerate().map(|(i, s)| start(i, s)).collect();
    let mut fast = Fast::new(&config, &theta, &specs, &params, Cpu::detect().unwrap());
    let mut twin = twin_of(&config, &theta, &specs, Constants::Rounded);
    let mut worst = Worst::default();
    for t in 0..steps {
        let grads = gradients(&fast, key.fold(3), t);
        let z = normal(key.fold(4).fold(t), 2);
        let spike = if t % 97 == 96 { 20.0 } else { 0.0 };
        let loss = 2.3 / (1.0 + 0.01 * t as f32) + 0.1 * z[0].abs() + spike;
        let valid = t.is_multiple_of(10).then(|| loss * (1.05 + 0.02 * z[1]));
        let before = fast.copy_to(&config, twin.as_mut());
        let state_before: Vec<Tensor> = twin.state().into_iter().cloned().collect();
        let mut expected = before.clone();
        twin.step(&mut expected, &tensors(&specs, &grads), f64::from(loss), valid.map(f64::from));
        fast.step(&grads, loss, valid);
        assert!(fast.gaps_are_zero(), "{json} step {t}");
        for ((got, expected), before) in fast.tensors().iter().zip(&expected).zip(&before) {
            let changes = expected.data.iter().zip(&before.data).map(|(a, b)| (a - b).abs());
            let scale = changes.fold(scale_floor(&config), f64::max);
            worst.params = worst
                .params
                .max(check(json, t, got, expected, |x| relative(&config) * scale + x.abs() / 16_777_216.0));
        }
        let state = fast.twin_state(&config);
        for (expected, before) in twin.state().into_iter().zip(&state_before) {
            let got = state.iter().find(|s| s.name == expected.name).unwrap();
            let largest = expected.data.iter().chain(&before.data).fold(0f64, |m, x| m.max(x.abs()));
            worst.state = worst.state.max(check(json, t, got, expected, |_| 1e-5 * largest));
        }
    }
    worst
}

/// The largest error of a tensor as a fraction of its tolerance, at most 1.
fn check(json: &str, t: u64, got: &Tensor, expected: &Tensor, tolerance: impl Fn(f64) -> f64) -> f64 {
    let mut worst = 0f64;
    assert_eq!(got.data.len(), expected.data.len(), "{json} {}", got.name);
    for (i, (&g, &e)) in got.data.iter().zip(&expected.data).enumerate() {
        // Below 1e-30 f32 loses bits, and denormals are not kept.
        let ratio = (g - e).abs() / (tolerance(e) + 1e-30);
        assert!(ratio <= 1.0, "{json} step {t} {}[{i}]: {g} {e}, {ratio:.2} of the tolerance", got.name);
        worst = worst.max(ratio);
    }
    worst
}

#[test]
fn two_thousand_isolated_steps_follow_the_twin() {
    for (name, json) in CASES {
        println!("{name}: fractions of the tolerance {:.2?}", compare(json, &SMALL, 2000));
    }
}

#[test]
fn large_tensors_follow_the_twin() {
    for (name, json) in CASES {
        println!("{name}, large tensors: fractions of the tolerance {:.2?}", compare(json, &LARGE, 12));
    }
}
