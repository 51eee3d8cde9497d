//! Loader of the golden vectors in test/fixtures/golden (their README tells where they come from).
//!
//! ```ignore
//! let inputs = golden::inputs();                       // parameters, gradients and losses of 20 steps
//! let case = golden::optimizer("adafac_mlp_lopt");     // theta and the expected parameters and states
//! let formula = golden::formula("rnn_mlp_lopt");       // inputs made by a rule, gradients that follow the parameters
//! let task = golden::task("mlp_tanh");                 // loss and gradient
//! ```
#![allow(dead_code)]

pub mod configs;

use outerloop_core::params::TensorSpec;
use outerloop_core::weights::{flat_theta, read_flax};
use outerloop_core::zoo::{OptimizerConfig, build_optimizer};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use std::collections::BTreeMap;
use std::path::Path;

/// One named f32 tensor. Files hold f32 numbers in shortest decimal form: parsed, rounded to f32, and only then widened.
#[derive(Clone, Debug, Deserialize)]
pub struct Leaf {
    pub name: String,
    pub shape: Vec<usize>,
    pub data: Vec<f32>,
}

impl Leaf {
    /// A state tensor's name without the prefix of its place in a chain, or of Celo2's two rules.
    pub fn short_name(&self) -> &str {
        let name = match self.name.strip_prefix("optax_opt_state|") {
            Some(rest) => rest.split_once('|').map_or(rest, |(_, name)| name),
            None => &self.name,
        };
        ["state_1d|", "state_2d|"].iter().find_map(|prefix| name.strip_prefix(prefix)).unwrap_or(name)
    }

    /// Whether the published code keeps a state tensor of the given run and never reads it.
    pub fn is_unused_by(&self, run: &str) -> bool {
        run == "celo_adam" && self.name.starts_with("fac_rolling|")
    }

    /// Whether a state tensor is read by a formula: not the counters beside the accumulators, the number of steps, or
    /// learning rates.
    pub fn is_read(&self) -> bool {
        let constants = ["num_steps", "step_mult", "step_mult_1d", "state"];
        !self.name.ends_with("|t") && !self.name.ends_with("|count") && !constants.contains(&&self.name[..])
    }
}

/// Whether a published state tensor exists here: it is read by a formula, and it is not the sum of steps that the
/// published RMSProp keeps without momentum too.
pub fn is_kept(optimizer: &str, leaf: &Leaf) -> bool {
    leaf.is_read() && !(optimizer == "rmsprop" && leaf.short_name().starts_with("trace|"))
}

/// What every optimizer case was run on.
pub struct Inputs {
    pub leaves: Vec<TensorSpec>,
    /// `[tensor][element]`.
    pub params: Vec<Vec<f32>>,
    /// `[step][tensor][element]`.
    pub grads: Vec<Vec<Vec<f32>>>,
    /// `[step]`.
    pub losses: Vec<f32>,
    /// Steps that the optimizers were told there would be.
    pub num_steps: u64,
}

/// One optimizer's run over [`Inputs`]: parameters after 1, 2, 5 and 20 steps, state after 1 and 20.
#[derive(Deserialize)]
pub struct OptCase {
    pub config: serde_json::Value,
    /// Leaves of theta in flat order; empty for a hand-designed optimizer.
    #[serde(default)]
    pub theta: Vec<Leaf>,
    /// f32 run: steps → `[tensor][element]`.
    pub params_after: BTreeMap<usize, Vec<Vec<f32>>>,
    /// The same in f64, with every constant exact; empty where the published code cannot.
    #[serde(default)]
    pub params_after_x64: BTreeMap<usize, Vec<Vec<f64>>>,
    /// f32 run: steps → state tensors.
    pub state_after: BTreeMap<usize, Vec<Leaf>>,
    /// Steps (from 0) before whose update a validation loss is fed.
    #[serde(default)]
    pub validation_calls: BTreeMap<usize, f32>,
    /// Largest change of the f32 parameters when every input moves by one unit in the last place.
    ulp_sensitivity: BTreeMap<usize, f64>,
    #[serde(default)]
    x64_minus_f32_maxabs_at_20: f64,
}

impl OptCase {
    /// Largest deviation from `expected` that an f32 run of another implementation may have after `steps` steps: 1e-5
    /// relative, plus what the published code itself moves by under rounding.
    pub fn tolerance(&self, steps: usize, expected: f64) -> f64 {
        let own = (20.0 * self.ulp_sensitivity[&steps]).max(2.0 * self.x64_minus_f32_maxabs_at_20);
        1e-5 * expected.abs() + own.max(2e-6)
    }

    /// Theta in its flat form.
    pub fn theta_flat(&self) -> Vec<f32> {
        self.theta.iter().flat_map(|leaf| leaf.data.iter().copied()).collect()
    }
}

/// A case whose inputs are given by a rule, and whose gradients depend on the parameters: 8 steps.
pub struct FormulaCase {
    pub config: serde_json::Value,
    pub leaves: Vec<TensorSpec>,
    pub params: Vec<Vec<f32>>,
    pub theta: Vec<f32>,
    /// f32 run: parameters after 1, 2 and 8 steps.
    pub params_after: BTreeMap<usize, Vec<Vec<f32>>>,
    /// Steps (from 0) before whose update a validation loss is fed.
    pub validation_calls: BTreeMap<usize, f32>,
}

impl FormulaCase {
    /// The part of the gradient at step `t` that does not depend on the parameters; to it comes
    /// [`Self::PARAM_FACTOR`]·p.
    pub fn grad_offset(&self, tensor: usize, t: usize) -> Vec<f32> {
        let (l, t) = (tensor as f64 + 1.0, t as f64);
        let at = |j: usize| (0.1 * (4.1 * l + 37.719 * (j as f64 + 1.0) + 1.7 * t).sin()) as f32;
        (0..self.leaves[tensor].len()).map(at).collect()
    }

    pub const PARAM_FACTOR: f32 = 0.05;

    pub fn loss(&self, t: usize) -> f32 {
        let t = t as f64;
        (2.0 / (1.0 + 0.1 * t) + 0.05 * t.sin()) as f32
    }
}

/// Loss and gradient of a task, in f64.
#[derive(Deserialize)]
pub struct TaskCase {
    pub config: serde_json::Value,
    /// Parameters in leaf order: for a perceptron layer by layer, biases before weights.
    pub params: Vec<Leaf>,
    /// `image` and `label`, or `A` and `E`.
    pub batch: Vec<Leaf>,
    /// Masks and permutations of flows.
    #[serde(default)]
    pub constants: Vec<Leaf>,
    pub loss_x64: f64,
    /// `[tensor][element]`.
    pub grads_x64: Vec<Vec<f64>>,
}

impl TaskCase {
    pub fn batch(&self, name: &str) -> &Leaf {
        self.batch.iter().find(|leaf| leaf.name == name).unwrap_or_else(|| panic!("no `{name}` in the batch"))
    }
}

/// A matrix as the files have it.
#[derive(Clone, Deserialize)]
#[serde(untagged)]
pub enum Matrix<T> {
    Flat { shape: [usize; 2], data: Vec<T> },
    Nested(Vec<Vec<T>>),
}

impl<T: Clone> Matrix<T> {
    pub fn rows(&self) -> Vec<Vec<T>> {
        match self {
            Self::Flat { shape, data } => data.chunks(shape[1]).map(<[T]>::to_vec).collect(),
            Self::Nested(rows) => rows.clone(),
        }
    }
}

/// Inputs of an estimator's sum: `[slots][particles]`, perturbations and accumulator `[particles][theta_length]`.
#[derive(Clone, Deserialize)]
pub struct EstimatorInputs {
    pub sigma: f64,
    pub loss_pos: Matrix<f32>,
    pub loss_neg: Matrix<f32>,
    pub mask: Matrix<bool>,
    pub is_done: Matrix<bool>,
    pub eps: Matrix<f32>,
    #[serde(alias = "acc")]
    pub acc_in: Matrix<f32>,
}

/// What an estimator made of its inputs.
#[derive(Clone, Deserialize)]
pub struct EstimatorOutputs {
    pub mean_loss: Option<f32>,
    pub grad: Vec<f64>,
    #[serde(alias = "new_acc")]
    pub acc_out: Option<Matrix<f32>>,
}

/// One set of inputs with the outputs of several estimators, by name (`pes_sign_None`, `tes_sign_2.0`, …).
pub struct EstimatorCase {
    pub inputs: EstimatorInputs,
    pub outputs: BTreeMap<String, EstimatorOutputs>,
}

pub fn inputs() -> Inputs {
    #[derive(Deserialize)]
    struct File {
        params: Vec<Leaf>,
        grads: Vec<Vec<Vec<f32>>>,
        losses: Vec<f32>,
        num_steps: u64,
    }
    let file: File = read("inputs.json");
    let leaves = file.params.iter().map(|p| TensorSpec::new(&p.name, p.shape.clone())).collect();
    let params = file.params.into_iter().map(|p| p.data).collect();
    Inputs { leaves, params, grads: file.grads, losses: file.losses, num_steps: file.num_steps }
}

/// The 20-step run of the given name.
pub fn optimizer(name: &str) -> OptCase {
    read(&format!("opt_{name}.json"))
}

/// The rule-made case of the given name.
pub fn formula(name: &str) -> FormulaCase {
    #[derive(Deserialize)]
    struct Case {
        config: serde_json::Value,
        /// Without leaves theta is the released one.
        #[serde(default)]
        theta_amp: f64,
        #[serde(default)]
        theta_leaves: Vec<(String, Vec<usize>)>,
        params_after: BTreeMap<usize, Vec<Vec<f32>>>,
    }
    #[derive(Deserialize)]
    struct File {
        param_leaves: Vec<(String, Vec<usize>)>,
        cases: BTreeMap<String, serde_json::Value>,
    }
    let mut file: File = read("spec_cases.json");
    let case: Case = parse(file.cases.remove(name).unwrap_or_else(|| panic!("no case `{name}`")));
    let leaves: Vec<TensorSpec> = file.param_leaves.into_iter().map(|(n, s)| TensorSpec::new(n, s)).collect();
    let params = leaves.iter().enumerate().map(|(l, s)| fill(l, s.len(), 0.5, 0.2)).collect();
    let mut theta = vec![];
    for (l, (leaf, shape)) in case.theta_leaves.iter().enumerate() {
        // The case's note: "the three *_decays leaves are the fill times 0.1".
        let factor = if leaf.ends_with("_decays") { 0.1 } else { 1.0 };
        // The case's note: "per_layer_* leaves keep their initial values".
        if let Some(constant) = leaf.strip_prefix("per_layer_") {
            let initial = match constant {
                "lr" => case.config["initial_learning_rate"].as_f64().expect("a number"),
                "beta1" => 1.0 - 0.9,
                "beta2" => 1.0 - 0.999,
                _ => 1e-8,
            };
            theta.push((0.1 * initial.ln()) as f32);
            continue;
        }
        theta.extend(fill(l, shape.iter().product(), case.theta_amp, 0.5).iter().map(|x| x * factor));
    }
    if theta.is_empty() {
        theta = released(name);
    }
    // The case's note: "before the training update of t=3 and t=6 one validation call with loss 2.1".
    let validation_calls =
        if name == "rnn_mlp_lopt" { BTreeMap::from([(3, 2.1), (6, 2.1)]) } else { BTreeMap::new() };
    FormulaCase {
        config: case.config,
        leaves,
        params,
        theta,
        params_after: case.params_after,
        validation_calls,
    }
}

/// The task `mlp_relu_3hidden`, `mlp_tanh`, `mlp_leaky_relu4`, `mlp_swish`, `mlp_cos`, `quadratic_identity` or
/// `quadratic_log`.
pub fn task(name: &str) -> TaskCase {
    #[derive(Deserialize)]
    struct File {
        cases: BTreeMap<String, TaskCase>,
    }
    let mut file: File = read("tasks.json");
    file.cases.remove(name).unwrap_or_else(|| panic!("no task `{name}`"))
}

/// Three consecutive calls of the published PES and truncated ES, and one hand-made case (last) that also has our
/// `pes_exclusive_fix`.
pub fn estimators() -> Vec<EstimatorCase> {
    let calls: serde_json::Value = read("estimators.json");
    let spec: serde_json::Value = read("spec_cases.json");
    let outputs = |from: &serde_json::Value| {
        let entries = from.as_object().expect("an object").iter().filter(|(k, _)| k.contains("es_"));
        entries.map(|(k, v)| (k.clone(), parse(v.clone()))).collect()
    };
    let case = |inputs: &serde_json::Value, from| EstimatorCase {
        inputs: parse(inputs.clone()),
        outputs: outputs(from),
    };
    let mut cases: Vec<EstimatorCase> =
        calls["formulas"].as_array().expect("an array").iter().map(|call| case(call, call)).collect();
    cases.push(case(&spec["estimators"]["inputs"], &spec["estimators"]));
    cases
}

/// Weights of Celo as they were released (test/fixtures/weights/celo).
fn released(name: &str) -> Vec<f32> {
    assert_eq!(name, "celo_released_weights");
    let path =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test/fixtures/weights/celo/celo.theta.state");
    let leaves = read_flax(&std::fs::read(path).expect("the released file")).expect("a flax file");
    let config = OptimizerConfig::from_json(r#"{"name":"celo","phase":2}"#).expect("valid options");
    let optimizer = build_optimizer(&config).expect("valid options");
    flat_theta(&leaves, optimizer.theta_spec()).expect("Celo's leaves")
}

/// `fill` of the rule-made cases: f32(amplitude·sin(12.9898·(leaf + 1) + 78.233·(j + 1) + phase)).
fn fill(leaf: usize, len: usize, amplitude: f64, phase: f64) -> Vec<f32> {
    let at = |j: usize| amplitude * (12.9898 * (leaf as f64 + 1.0) + 78.233 * (j as f64 + 1.0) + phase).sin();
    (0..len).map(|j| at(j) as f32).collect()
}

fn read<T: DeserializeOwned>(file: &str) -> T {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test/fixtures/golden").join(file);
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", path.display()))
}

fn parse<T: DeserializeOwned>(value: serde_json::Value) -> T {
    serde_json::from_value(value).expect("what the file's README says")
}
