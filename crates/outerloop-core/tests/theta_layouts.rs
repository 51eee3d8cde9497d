//! Leaves of every learned optimizer's theta, which files of weights depend on, against a snapshot.
#![allow(clippy::unwrap_used, missing_docs)]

use outerloop_core::zoo::{OptimizerConfig, build_optimizer};
use serde_json::{Value, json};
use std::path::Path;

/// Every learned optimizer with its default sizes.
const LEARNED: &[&str] = &[
    r#"{"name":"mlp_lopt"}"#,
    r#"{"name":"adafac_mlp"}"#,
    r#"{"name":"adafac_nominal"}"#,
    r#"{"name":"hierarchical","variant":"library"}"#,
    r#"{"name":"hierarchical","variant":"paper"}"#,
    r#"{"name":"learnable_sgd"}"#,
    r#"{"name":"learnable_sgdm"}"#,
    r#"{"name":"learnable_adam"}"#,
    r#"{"name":"nn_adam"}"#,
    r#"{"name":"l2l_gru"}"#,
    r#"{"name":"l2l_lstm"}"#,
    r#"{"name":"param_lstm"}"#,
    r#"{"name":"rms_mlp"}"#,
    r#"{"name":"celo2"}"#,
    r#"{"name":"velo","buggedLossFeatures":false,"buggedNextLstmState":false}"#,
    r#"{"name":"celo","phase":2}"#,
    r#"{"name":"celo_adam"}"#,
];

/// A leaf that is renamed, reordered or reshaped makes old files unreadable: it shows here. The totals are the published
/// ones where there are any (spec of the papers' code: 35,799, 1,762, 197, 2,320,385, 37,089, 36,865, 347, …).
#[test]
fn theta_layouts_are_those_of_the_snapshot() {
    let layout = |json: &str| -> Value {
        let optimizer = build_optimizer(&OptimizerConfig::from_json(json).unwrap()).unwrap();
        let spec = optimizer.theta_spec();
        let leaves: Vec<Value> = spec.leaves.iter().map(|(leaf, _)| json!([leaf.name, leaf.shape])).collect();
        json!({"config": serde_json::from_str::<Value>(json).unwrap(), "numWeights": spec.len(), "leaves": leaves})
    };
    let now: Vec<Value> = LEARNED.iter().map(|json| layout(json)).collect();
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test/fixtures/theta-layouts.json");
    let text = std::fs::read_to_string(path).unwrap();
    let snapshot: Vec<Value> = serde_json::from_str(&text).unwrap();
    for (now, then) in now.iter().zip(&snapshot) {
        assert_eq!(now, then, "{}", serde_json::to_string(now).unwrap());
    }
    assert_eq!(now.len(), snapshot.len(), "{}", serde_json::to_string(&now).unwrap());
}
