//! The fast optimizers against the published code's numbers (test/fixtures/golden).
#![allow(clippy::unwrap_used, missing_docs)]

mod golden;
mod twin;

use golden::OptCase;
use outerloop_core::optim::{OptimizerConfig, build_optimizer};
use outerloop_core::simd::Cpu;
use std::collections::BTreeMap;
use twin::{Fast, config};

const OPTIMIZERS: [&str; 12] = [
    "sgd",
    "sgdm",
    "nesterov",
    "adam",
    "adam_lo",
    "mlp_lopt",
    "adafac_mlp_lopt",
    "rnn_mlp_lopt",
    "rnn_mlp_lopt_valid",
    "celo2",
    "celo2_base",
    "celo2_wd_exp",
];

fn config_of(name: &str, case: &OptCase) -> OptimizerConfig {
    let n = |key: &str| case.number(key);
    config(&match name {
        "sgd" => format!(r#"{{"name":"sgd","lr":{}}}"#, n("lr")),
        "sgdm" | "nesterov" => format!(
            r#"{{"name":"momentum","lr":{},"momentum":{},"nesterov":{}}}"#,
            n("lr"),
            n("momentum"),
            name == "nesterov"
        ),
        "adam" | "adam_lo" => format!(
            r#"{{"name":"adam","lr":{},"beta1":{},"beta2":{},"eps":{},"epsRoot":{}}}"#,
            n("lr"),
            n("b1"),
            n("b2"),
            n("eps"),
            n("eps_root")
        ),
        "adafac_mlp_lopt" => format!(
            r#"{{"name":"adafac_mlp","hidden":{},"stepMult":{},"expMult":{}}}"#,
            case.size("hidden_size"),
            n("step_mult"),
            n("exp_mult")
        ),
        "mlp_lopt" => format!(
            r#"{{"name":"mlp_lopt","hidden":{},"stepMult":{},"expMult":{}}}"#,
            case.size("hidden_size"),
            n("step_mult"),
            n("exp_mult")
        ),
        "celo2" | "celo2_base" | "celo2_wd_exp" => celo2(name, &case.config),
        _ => format!(
            r#"{{"name":"hierarchical","variant":"library","stepMult":{},"expMult":{},"hidden":{},"fromMlp":{},"fromLstm":{},"lstmToFf":{},"lstmHidden":{}}}"#,
            n("step_multiplier"),
            n("magnitude_rate"),
            case.size("hidden_size"),
            case.size("from_mlp_size"),
            case.size("from_lstm_size"),
            case.size("lstm_to_ff"),
            case.size("lstm_hidden_size")
        ),
    })
}

/// What `published` says, and the defaults where it is silent. Its `regex_1d`, "/b$", names the biases.
fn celo2(name: &str, published: &serde_json::Value) -> String {
    let mut config =
        serde_json::json!({"name": "celo2", "stepMult": published["step_mult"], "adamPattern": "[|/]b$"});
    if name == "celo2_base" {
        config["adamPattern"] = serde_json::Value::Null;
        config["orthogonalize"] = false.into();
    }
    for (theirs, ours) in [
        ("exp_mult", "expMult"),
        ("weight_decay", "weightDecay"),
        ("adam_b1", "adamBeta1"),
        ("adam_b2", "adamBeta2"),
        ("mult_1d", "adamMult"),
        ("adam_bias_correction", "adamBiasCorrection"),
    ] {
        if !published[theirs].is_null() {
            config[ours] = published[theirs].clone();
        }
    }
    config.to_string()
}

fn run(name: &str, mut see: impl FnMut(usize, &OptCase, &OptimizerConfig, &Fast)) {
    let (inputs, case) = (golden::inputs(), golden::optimizer(name));
    let config = config_of(name, &case);
    let mut fast =
        Fast::new(&config, &case.theta_flat(), &inputs.leaves, &inputs.params, Cpu::detect().unwrap());
    for (t, grads) in inputs.grads.iter().enumerate() {
        fast.step(grads, inputs.losses[t], case.validation_calls.get(&t).copied());
        see(t + 1, &case, &config, &fast);
    }
}

/// Theta files are interchangeable: same leaves, same order, same shapes.
#[test]
fn theta_leaves_are_the_published_ones() {
    for name in ["mlp_lopt", "adafac_mlp_lopt", "rnn_mlp_lopt", "celo2", "celo2_base"] {
        let case = golden::optimizer(name);
        let optimizer = build_optimizer(&config_of(name, &case)).unwrap();
        let ours: Vec<_> = optimizer
            .theta_spec()
            .leaves
            .iter()
            .map(|(leaf, _)| (leaf.name.clone(), leaf.shape.clone()))
            .collect();
        let published: Vec<_> =
            case.theta.iter().map(|leaf| (leaf.name.replace('|', "/"), leaf.shape.clone())).collect();
        assert_eq!(ours, published);
    }
}

/// Free-running over 20 steps. Tolerance: [`OptCase::tolerance`], 1e-5 relative plus the published f32 code's own
/// sensitivity to rounding.
#[test]
fn parameters_follow_the_f32_runs() {
    for name in OPTIMIZERS {
        let mut worst = (0f64, 0f64);
        run(name, |steps, case, _, fast| {
            assert!(fast.gaps_are_zero(), "{name} {steps}");
            for (p, expected) in
                fast.tensors().iter().zip(case.params_after.get(&steps).into_iter().flatten())
            {
                for (&got, &expected) in p.data.iter().zip(expected) {
                    let expected = f64::from(expected);
                    let (error, tolerance) = ((got - expected).abs(), case.tolerance(steps, expected));
                    assert!(error <= tolerance, "{name} {steps} {}: {got} {expected}", p.name);
                    worst = (worst.0.max(error), worst.1.max(error / tolerance));
                }
            }
        });
        println!("{name}: largest deviation {:.1e}, {:.2} of the tolerance", worst.0, worst.1);
    }
}

/// Every state tensor that a formula reads, after 1 and 20 steps: 5e-6 relative plus 1e-6 of the tensor's largest
/// element (two f32 programs, each rounding every step; running means of both signs cancel, and keep the rounding of
/// what cancelled).
#[test]
fn states_follow_the_f32_runs() {
    for name in OPTIMIZERS {
        let mut worst = 0f64;
        run(name, |steps, case, config, fast| {
            let Some(leaves) = case.state_after.get(&steps) else { return };
            let state: BTreeMap<String, Vec<f64>> =
                fast.twin_state(config).into_iter().map(|t| (t.name, t.data)).collect();
            for leaf in leaves {
                let is_counter = leaf.name.ends_with("|t") || leaf.name.ends_with("|count");
                if is_counter || ["num_steps", "step_mult", "step_mult_1d"].contains(&&leaf.name[..]) {
                    continue;
                }
                let prefixes = ["optax_opt_state|0|", "state_1d|", "state_2d|"];
                let short = prefixes.iter().find_map(|p| leaf.name.strip_prefix(p)).unwrap_or(&leaf.name);
                let got = &state[short];
                assert_eq!(got.len(), leaf.data.len(), "{name} {}", leaf.name);
                let largest = leaf.data.iter().fold(0f64, |m, &x| m.max(f64::from(x).abs()));
                for (&got, &expected) in got.iter().zip(&leaf.data) {
                    let expected = f64::from(expected);
                    let tolerance = 5e-6 * expected.abs() + 1e-6 * largest;
                    let error = (got - expected).abs();
                    assert!(
                        error <= tolerance,
                        "{name} {steps} {}: {got} {expected} of {largest}",
                        leaf.name
                    );
                    worst = worst.max(error / tolerance.max(f64::MIN_POSITIVE));
                }
            }
        });
        println!("{name}: largest deviation of the state {worst:.2} of the tolerance");
    }
}

/// The rule-made cases: default sizes, gradients that follow the parameters, enlarged steps. 8 steps amplify rounding:
/// 1e-5 relative and absolute.
#[test]
fn parameters_follow_the_rule_made_cases() {
    for (name, json) in [
        ("mlp_lopt", r#"{"name":"mlp_lopt","stepMult":0.1}"#),
        ("celo2_base", ""),
        ("celo2", ""),
        ("adafac_mlp_lopt_h4", r#"{"name":"adafac_mlp","stepMult":0.1}"#),
        ("rnn_mlp_lopt", r#"{"name":"hierarchical","variant":"library","stepMult":0.1}"#),
    ] {
        let case = golden::formula(name);
        let config = config(&if json.is_empty() { celo2(name, &case.config) } else { json.to_owned() });
        let mut fast = Fast::new(&config, &case.theta, &case.leaves, &case.params, Cpu::detect().unwrap());
        let mut worst = 0f64;
        for t in 0..8 {
            let grads: Vec<Vec<f32>> = (0..case.leaves.len())
                .map(|tensor| {
                    let p = &fast.params[fast.layout.range(tensor)];
                    let offset = case.grad_offset(tensor, t);
                    p.iter().zip(offset).map(|(p, o)| o + golden::FormulaCase::PARAM_FACTOR * p).collect()
                })
                .collect();
            fast.step(&grads, case.loss(t), case.validation_calls.get(&t).copied());
            for (p, expected) in
                fast.tensors().iter().zip(case.params_after.get(&(t + 1)).into_iter().flatten())
            {
                for (&got, &expected) in p.data.iter().zip(expected) {
                    let error = (got - f64::from(expected)).abs();
                    assert!(
                        error <= 1e-5 * (1.0 + got.abs()),
                        "{name} {} {}: {got} {expected}",
                        t + 1,
                        p.name
                    );
                    worst = worst.max(error);
                }
            }
        }
        println!("{name} by rule: largest deviation {worst:.1e}");
    }
}
