//! Configs against the fixtures that the TypeScript schemas are tested on too (test/fixtures).
#![allow(clippy::unwrap_used, missing_docs)]

use outerloop_core::error::{ErrorCode, Result};
use outerloop_core::task::TaskConfig;
use outerloop_core::zoo::OptimizerConfig;
use serde::Serialize;
use serde_json::Value;
use std::path::{Path, PathBuf};

fn fixtures() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test/fixtures")
}

fn check<T: Serialize + PartialEq + std::fmt::Debug>(file: &str, from_json: impl Fn(&str) -> Result<T>) {
    let path = fixtures().join(file);
    let fixture: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    for case in fixture["valid"].as_array().unwrap() {
        let what = &case["what"];
        let parsed = from_json(&case["input"].to_string()).unwrap_or_else(|e| panic!("{what}: {e}"));
        let written = serde_json::to_value(&parsed).unwrap();
        assert_eq!(numbers_as_f64(&written), numbers_as_f64(&case["complete"]), "{what}");
        assert_eq!(from_json(&written.to_string()).unwrap(), parsed, "{what}");
    }
    for case in fixture["invalid"].as_array().unwrap() {
        match from_json(&case["input"].to_string()) {
            Ok(parsed) => panic!("{}: expected a refusal, got {parsed:?}", case["why"]),
            Err(e) => assert_eq!(e.code, ErrorCode::InvalidOption, "{}", case["why"]),
        }
    }
}

/// JSON has one kind of number: 0 and 0.0 are equal.
fn numbers_as_f64(value: &Value) -> Value {
    match value {
        Value::Number(n) => Value::from(n.as_f64().unwrap()),
        Value::Array(items) => items.iter().map(numbers_as_f64).collect(),
        Value::Object(fields) => fields.iter().map(|(k, v)| (k.clone(), numbers_as_f64(v))).collect(),
        other => other.clone(),
    }
}

#[test]
fn task_configs_are_those_of_the_typescript_schema() {
    check("task-configs.json", TaskConfig::from_json);
}

#[test]
fn optimizer_configs_are_those_of_the_typescript_schema() {
    let directory = fixtures().join("optimizer-configs");
    for entry in std::fs::read_dir(directory).unwrap() {
        let file = entry.unwrap().file_name();
        check(&format!("optimizer-configs/{}", file.to_str().unwrap()), OptimizerConfig::from_json);
    }
}
