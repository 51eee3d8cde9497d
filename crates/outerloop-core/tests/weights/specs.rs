//! Thetas to write: of optimizers that the crate has, and of VeLO and Celo by their published tables.

use outerloop_core::optim::{LeafInit, ThetaSpec};
use outerloop_core::params::TensorSpec;
use outerloop_core::rng::{Key, Purpose};
use outerloop_core::zoo::{OptimizerConfig, build_optimizer};

/// Channels of VeLO's and Celo's groups of features, in the order of names.
const GROUPS: [(&str, usize); 14] = [
    ("w0__0", 1),
    ("w0__1", 1),
    ("w0__10", 3),
    ("w0__11", 3),
    ("w0__12", 3),
    ("w0__13", 3),
    ("w0__2", 1),
    ("w0__3", 3),
    ("w0__4", 1),
    ("w0__5", 3),
    ("w0__6", 1),
    ("w0__7", 3),
    ("w0__8", 1),
    ("w0__9", 3),
];

/// Configs of learned optimizers that leaves alone tell, all options that they cannot tell being defaults.
pub const CONFIGS: [&str; 9] = [
    r#"{"name":"mlp_lopt"}"#,
    r#"{"name":"mlp_lopt","hidden":7}"#,
    r#"{"name":"adafac_mlp"}"#,
    r#"{"name":"adafac_mlp","hidden":32}"#,
    r#"{"name":"celo2"}"#,
    r#"{"name":"celo2","hidden":6}"#,
    r#"{"name":"hierarchical","variant":"library"}"#,
    r#"{"name":"hierarchical","variant":"paper"}"#,
    r#"{"name":"hierarchical","variant":"paper","hidden":5,"fromMlp":3,"fromLstm":4,"lstmToFf":6,"lstmHidden":9}"#,
];

/// The leaves of a config.
pub fn spec(json: &str) -> ThetaSpec {
    let config = OptimizerConfig::from_json(json).expect("a valid config");
    build_optimizer(&config).expect("a valid config").theta_spec().clone()
}

/// The leaves alone.
pub fn shapes(spec: &ThetaSpec) -> Vec<TensorSpec> {
    spec.leaves.iter().map(|(leaf, _)| leaf.clone()).collect()
}

/// Numbers that differ from each other.
pub fn theta(spec: &ThetaSpec) -> Vec<f32> {
    let mut theta = vec![0.0; spec.len()];
    Key::new(7, Purpose::ThetaInit).fill_truncated_normal(&mut theta);
    theta
}

fn plain(leaves: Vec<(String, Vec<usize>)>) -> ThetaSpec {
    let leaf = |(name, shape): (String, Vec<usize>)| (TensorSpec::new(name, shape), LeafInit::Zero);
    ThetaSpec { leaves: leaves.into_iter().map(leaf).collect() }
}

/// VeLO's leaves, or Celo's (18 inputs, bank 1).
pub fn velo(inputs: usize, h: usize, n: usize) -> ThetaSpec {
    let mut leaves = vec![];
    let mut stack = |name: &str, shape: &[usize]| {
        leaves.push((format!("ff_mod_stack/~/{name}"), [&[n], shape].concat()));
    };
    for (name, len) in [("b0", 4), ("b1", 4), ("b2", 3)] {
        stack(name, &[len]);
    }
    for (name, channels) in GROUPS {
        stack(name, &[channels, 4]);
    }
    stack("w1", &[4, 4]);
    stack("w2", &[4, 3]);
    leaves.extend(scheduler(inputs, h, Some(n)));
    plain(leaves)
}

/// Celo-Adam's leaves.
pub fn celo_adam(h: usize) -> ThetaSpec {
    plain(scheduler(18, h, None))
}

fn scheduler(inputs: usize, h: usize, n: Option<usize>) -> Vec<(String, Vec<usize>)> {
    let mut leaves: Vec<_> = ["hidden", "cell"].map(|x| (format!("lstm_init_state/{x}"), vec![1, h])).into();
    let mut linear = |name: &str, rows, cols| {
        leaves.push((format!("rnn_params/{name}/b"), vec![cols]));
        leaves.push((format!("rnn_params/{name}/w"), vec![rows, cols]));
    };
    linear("linear", inputs, h);
    linear("linear_1", inputs, h);
    linear("linear_2", inputs, h);
    linear("rnn/linear", 2 * h, 4 * h);
    if let Some(n) = n {
        linear("rnn_to_controls", h, n);
    }
    linear("step_size", h, 1);
    leaves
}

/// nn_adam's leaves.
pub fn nn_adam(h: usize) -> ThetaSpec {
    let leaf = |name: &str, shape: &[usize]| (name.to_string(), shape.to_vec());
    plain(vec![
        leaf("lstm_init_state/hidden", &[1, h]),
        leaf("lstm_init_state/cell", &[1, h]),
        leaf("per_layer_beta1", &[]),
        leaf("per_layer_beta2", &[]),
        leaf("per_layer_epsilon", &[]),
        leaf("per_layer_lr", &[]),
        leaf("rnn_params/rnn/linear/b", &[4 * h]),
        leaf("rnn_params/rnn/linear/w", &[19 + h, 4 * h]),
        leaf("rnn_to_controls_params/rnn_to_controls/b", &[4]),
        leaf("rnn_to_controls_params/rnn_to_controls/w", &[h, 4]),
    ])
}
