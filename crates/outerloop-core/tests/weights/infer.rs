//! What leaves tell of their optimizer.

use crate::specs;
use outerloop_core::params::TensorSpec;
use outerloop_core::weights::{dead_leaves, infer_optimizer};
use outerloop_core::zoo::OptimizerConfig;
use serde_json::json;

#[test]
fn leaves_of_every_optimizer_tell_its_config() {
    for json in specs::CONFIGS {
        let inferred = infer_optimizer(&specs::shapes(&specs::spec(json))).expect(json);
        let config = OptimizerConfig::from_json(&inferred.config.to_string()).expect("a complete config");
        assert_eq!(config, OptimizerConfig::from_json(json).expect("a valid config"));
        assert!(inferred.choices.is_empty());
    }
}

/// Sizes of published files, with the number of weights that their descriptions give.
#[test]
fn schedulers_tell_their_sizes() {
    for (spec, num_weights, config) in [
        (
            specs::velo(30, 512, 256),
            2_320_385,
            json!({ "name": "velo", "lstmHidden": 512, "paramInits": 256 }),
        ),
        (specs::velo(30, 128, 64), 162_305, json!({ "name": "velo", "lstmHidden": 128, "paramInits": 64 })),
        (specs::velo(30, 64, 32), 46_337, json!({ "name": "velo", "lstmHidden": 64, "paramInits": 32 })),
        (specs::velo(18, 64, 1), 37_089, json!({ "name": "celo", "lstmHidden": 64 })),
        (specs::celo_adam(64), 36_865, json!({ "name": "celo_adam", "lstmHidden": 64 })),
        (specs::nn_adam(32), 6_856, json!({ "name": "nn_adam", "lstmHidden": 32 })),
    ] {
        assert_eq!(spec.len(), num_weights);
        let inferred = infer_optimizer(&specs::shapes(&spec)).expect("known");
        assert_eq!(inferred.config, config);
        let expected: &[&str] = match config["name"].as_str() {
            Some("velo") => &["buggedLossFeatures", "buggedNextLstmState", "ffMult"],
            Some("celo") => &["phase"],
            _ => &[],
        };
        assert_eq!(inferred.choices.iter().map(|choice| choice.option).collect::<Vec<_>>(), expected);
    }
}

#[test]
fn learned_constants_are_told_by_their_names() {
    for (names, name) in [
        (&["log_lr"][..], "learnable_sgd"),
        (&["log_lr", "one_minus_momentum"], "learnable_sgdm"),
        (&["log_epsilon", "log_lr", "one_minus_beta1", "one_minus_beta2"], "learnable_adam"),
    ] {
        let leaves: Vec<_> = names.iter().map(|&name| TensorSpec::new(name, [])).collect();
        assert_eq!(infer_optimizer(&leaves).expect("known").config, json!({ "name": name }));
    }
}

#[test]
fn other_leaves_tell_nothing() {
    assert_eq!(infer_optimizer(&[TensorSpec::new("w", [2, 2])]), None);
    assert_eq!(infer_optimizer(&[TensorSpec::new("nn/~/w0", [38, 4])]), None);
    assert_eq!(infer_optimizer(&[]), None);
    // With the flag of validation steps, which is not implemented.
    assert_eq!(infer_optimizer(&specs::shapes(&specs::velo(31, 4, 2))), None);
}

/// Celo's are 1,281 of 37,089 weights.
#[test]
fn dead_leaves_are_named() {
    let dead = |spec| dead_leaves(&specs::shapes(&spec));
    let linear = ["rnn_params/linear/b", "rnn_params/linear/w"];
    let controls = ["rnn_params/rnn_to_controls/b", "rnn_params/rnn_to_controls/w"];
    assert_eq!(dead(specs::velo(18, 64, 1)), [linear, controls].concat());
    assert_eq!(dead(specs::velo(30, 8, 1)), linear);
    assert_eq!(dead(specs::celo_adam(64)), linear);
    assert!(dead(specs::nn_adam(8)).is_empty());
    let celo = specs::velo(18, 64, 1);
    let names = dead(celo.clone());
    let len = |leaf: &TensorSpec| if names.contains(&leaf.name) { leaf.len() } else { 0 };
    assert_eq!(specs::shapes(&celo).iter().map(len).sum::<usize>(), 1_281);
}

/// The tables above are the thetas of the optimizers of that name.
#[test]
fn published_leaves_are_those_of_the_optimizers() {
    let scalars = |names: &[&str]| names.iter().map(|&name| TensorSpec::new(name, [])).collect::<Vec<_>>();
    for (json, leaves) in [
        (
            r#"{"name":"velo","lstmHidden":6,"paramInits":3,"buggedLossFeatures":false,"buggedNextLstmState":false}"#,
            specs::shapes(&specs::velo(30, 6, 3)),
        ),
        (r#"{"name":"celo","lstmHidden":6,"phase":2}"#, specs::shapes(&specs::velo(18, 6, 1))),
        (r#"{"name":"celo_adam","lstmHidden":6}"#, specs::shapes(&specs::celo_adam(6))),
        (r#"{"name":"nn_adam","lstmHidden":6}"#, specs::shapes(&specs::nn_adam(6))),
        (r#"{"name":"learnable_sgd"}"#, scalars(&["log_lr"])),
        (r#"{"name":"learnable_sgdm"}"#, scalars(&["log_lr", "one_minus_momentum"])),
        (
            r#"{"name":"learnable_adam"}"#,
            scalars(&["log_epsilon", "log_lr", "one_minus_beta1", "one_minus_beta2"]),
        ),
    ] {
        match OptimizerConfig::from_json(json) {
            Err(e) if e.message.contains("unknown variant") => {
                eprintln!("{json}: skipped, no such optimizer")
            }
            Err(e) => panic!("{json}: {e}"),
            Ok(_) => assert_eq!(specs::shapes(&specs::spec(json)), leaves, "{json}"),
        }
    }
}
