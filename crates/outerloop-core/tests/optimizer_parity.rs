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
mod zoo;

use outerloop_core::params::TensorSpec;
use outerloop_core::reference::{Constants, Tensor};
use outerloop_core::rng::{Key, Purpose};
use outerloop_core::simd::Cpu;
use outerloop_core::zoo::{OptimizerConfig, build_optimizer};
use rayon::prelude::*;
use twin::{Fast, config, has_twin, tensors, twin_of};
use zoo::OPTIMIZERS;

/// Options that no entry of the zoo has, beside its entries.
const VARIANTS: &[&str] = &[
    r#"{"name":"adam","lr":0.003,"epsRoot":1e-8}"#,
    r#"{"name":"rmsprop","lr":0.003,"eps":1e-6,"momentum":0.9,"nesterov":true}"#,
    r#"{"name":"nadamw","lr":0.003,"weightDecay":0.01}"#,
    r#"{"name":"nadamw","lr":0.003,"beta2":0.98,"eps":1e-5,"weightDecay":0.01,"l2":0.001,"minLrMult":0.1,"constantFraction":0.2,"warmupFraction":0.3,"arrayBetas":true}"#,
    r#"{"name":"nadamw","lr":0.003,"nesterov":false,"l2":0.01,"minLrMult":0.3,"constantFraction":0.4,"warmupFraction":0.13,"l2Fixed":true,"warmupMin":true}"#,
    r#"{"name":"adam8p","lr":0.003,"l1":0.001,"l2":0.01,"linearDecay":0.0001,"exponentialDecay":0.0003}"#,
    r#"{"name":"adam8p","lr":0.003,"exponentialDecay":1e-5,"rescaleTime":true}"#,
    r#"{"name":"celo2","stepMult":0.01,"orthogonalize":false,"adamPattern":null}"#,
    r#"{"name":"celo2","stepMult":0.01,"adamPattern":"p[0-3]$"}"#,
    r#"{"name":"celo2","stepMult":0.01,"expMult":0.1,"weightDecay":0.1,"adamPattern":"p[13]$","adamMult":2,"adamBiasCorrection":true}"#,
    r#"{"name":"celo2","hidden":6,"stepMult":0.01,"orthogonalize":false,"adamPattern":null}"#,
    r#"{"name":"celo2","hidden":19,"stepMult":0.01,"expMult":0.1,"adamPattern":"p[0-3]$"}"#,
    r#"{"name":"adafac_mlp","hidden":32,"stepMult":0.01,"expMult":0.01}"#,
    r#"{"name":"nn_adam","outputScale":0.1,"initialLr":0.003,"beta1":0.95,"beta2":0.99,"eps":1e-6,"decayStrength":0.1,"lstmHidden":9}"#,
    r#"{"name":"adafac_nominal","stepMult":0.01,"expMult":0.01}"#,
    r#"{"name":"adafac_nominal","stepMult":0.01,"expMult":0.01,"nominalLr":0.003,"weightDecay":0.01}"#,
    r#"{"name":"l2l_gru","hidden":9}"#,
    r#"{"name":"l2l_lstm","hidden":7,"stepMult":0.1,"logRange":5}"#,
    r#"{"name":"param_lstm","hidden":13,"stepMult":0.01,"expMult":0.1}"#,
    r#"{"name":"muon","dialect":"optax","lr":0.01,"weightDecay":0.01,"adamPattern":"p5$","adamWeightDecay":0.1}"#,
    // A ridge of 0.1 holds the roots' error to ten roundings of the statistics; see the optimizer's header.
    r#"{"name":"shampoo","lr":0.01,"matrixEps":0.1,"maxDim":24,"start":3,"every":2}"#,
    r#"{"name":"velo","lstmHidden":20,"paramInits":7,"ffMult":10,"expMult":0.01,"buggedLossFeatures":false,"buggedNextLstmState":false}"#,
    r#"{"name":"velo","lstmHidden":33,"paramInits":18,"ffMult":10,"buggedLossFeatures":true,"buggedNextLstmState":true}"#,
    r#"{"name":"celo","phase":2,"stepMult":0.01,"expMult":0.01}"#,
    r#"{"name":"celo","phase":2,"paramInits":5,"lstmHidden":19,"stepMult":0.01}"#,
];

/// Every optimizer that has a twin, and the variants. Shampoo and VeLO stand among these only: with the zoo's options the one
/// takes roots of what is nearly singular, and the other's parameters leave every scale.
fn cases() -> impl Iterator<Item = &'static str> {
    let is_here =
        |json: &&str| !["shampoo", "velo"].iter().any(|name| json.contains(name)) && has_twin(&config(json));
    OPTIMIZERS.iter().map(|(json, _)| *json).filter(is_here).chain(VARIANTS.iter().copied())
}

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

/// Tensors that threads would share, in blocks whose sums are added: rows that fill registers and that do not, a vector, and
/// matrices of a convolution.
const SHARED: [&[usize]; 4] = [&[400, 352], &[391, 359], &[140_003], &[2, 2, 200, 176]];

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
        OptimizerConfig::AdafacNominal(c) => 0.1 * c.step_mult,
        OptimizerConfig::L2lGru(c) => 0.1 * c.step_mult,
        OptimizerConfig::L2lLstm(c) => 0.1 * c.step_mult,
        OptimizerConfig::ParamLstm(c) => 0.1 * c.step_mult,
        OptimizerConfig::RmsMlp(c) => 0.1 * c.step_mult,
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
        OptimizerConfig::Muon(_) => 1e-4,
        _ => 1e-5,
    }
}

/// Whether the scale of a state tensor's tolerance is its largest element before or after the step: means and sums of both
/// signs add to what they were, and where the two cancel in a tensor of one element, their rounding is left. So do means of
/// directions whose length does not shrink with the gradient, and, under a decay that changes and may be small, all means.
fn cancels(config: &OptimizerConfig, name: &str) -> bool {
    use OptimizerConfig::{Adafactor, Lars, Muon, NnAdam, Shampoo, Sm3};
    matches!(config, Adafactor(_) | Lars(_) | Muon(_) | NnAdam(_) | Shampoo(_) | Sm3(_))
        || ["mu|", "grad_acc|", "trace|", "mom_rolling|"].iter().any(|mean| name.starts_with(mean))
}

/// Tolerance of the state, of a tensor's largest element. NN-Adam's LSTM sees logarithms of means: where a tensor's
/// momenta cancel down to a thousandth, so do all but four digits of their mean.
fn relative_of_state(config: &OptimizerConfig) -> f64 {
    if is_nn_adam(config) { 1e-4 } else { 1e-5 }
}

fn is_nn_adam(config: &OptimizerConfig) -> bool {
    matches!(config, OptimizerConfig::NnAdam(_))
}

fn largest_of(x: &Tensor) -> f64 {
    x.data.iter().fold(0f64, |m, x| m.max(x.abs()))
}

/// Smallest scale of a state. Units of a network per parameter are made of terms of order 1, and arrays by themselves: one
/// unit near 0 has cancelled.
fn state_floor(name: &str) -> f64 {
    let is_unit = ["hidden", "cell"].iter().any(|unit| name.starts_with(unit));
    if is_unit { 0.1 } else { 0.0 }
}

/// NN-Adam's constants are kept as a tenth of a logarithm, near 0 where the constant is near 1, and are read and written
/// through the constant: its own rounding comes back. For a decay that is a unit of β, 2⁻²⁴, out of 1 − β = e¹⁰ˣ.
fn rounding_of_constant(name: &str, x: f64) -> f64 {
    let unit = 0.1 / 8_388_608.0;
    match name.strip_prefix("per_layer_") {
        Some(constant) if constant.starts_with("beta") => unit * (-10.0 * x).exp().max(1.0),
        Some(_) => unit,
        None => 0.0,
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
        let mut expected = before.clone();
        let largest_before: Vec<f64> = twin.state().into_iter().map(largest_of).collect();
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
        for (expected, before) in twin.state().into_iter().zip(largest_before) {
            let before = if cancels(&config, &expected.name) { before } else { 0.0 };
            let got = state.iter().find(|s| s.name == expected.name).unwrap();
            let largest = largest_of(expected).max(before).max(state_floor(&expected.name));
            let tolerance =
                |x: f64| relative_of_state(&config) * largest + rounding_of_constant(&expected.name, x);
            worst.state = worst.state.max(check(json, t, got, expected, tolerance));
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

/// Looks at every case, on all cores.
fn each(what: &str, steps: u64, shapes: &[&[usize]], is_here: impl Fn(&str) -> bool + Sync) {
    let all: Vec<_> = cases().filter(|json| is_here(json)).collect();
    all.par_iter().for_each(|json| {
        println!("{json}, {what}: fractions of the tolerance {:.2?}", compare(json, shapes, steps));
    });
}

#[test]
fn two_thousand_isolated_steps_follow_the_twin() {
    each("small tensors", 2000, &SMALL, |_| true);
}

#[test]
fn large_tensors_follow_the_twin() {
    each("large tensors", 12, &LARGE, |_| true);
}

#[test]
fn shared_tensors_follow_the_twin() {
    // Shampoo's twin makes whole products, networks per parameter share no sums: theirs would take minutes.
    let slow = ["shampoo", "l2l_gru", "l2l_lstm", "param_lstm"];
    each("shared tensors", 2, &SHARED, |json| !slow.iter().any(|name| json.contains(name)));
}
