//! Our config of every published run, from what its file says.

use super::OptCase;
use serde_json::{Value, json};

/// A published run and the config, as JSON, that it has here.
pub struct Published {
    /// Its file is `opt_NAME.json`, or its case in `spec_cases.json`.
    pub name: &'static str,
    config: fn(&Value) -> Value,
}

impl Published {
    /// Our config, from the published one.
    pub fn config(&self, published: &Value) -> String {
        (self.config)(published).to_string()
    }

    /// Our config of the 20-step run.
    pub fn config_of(&self, case: &OptCase) -> String {
        self.config(&case.config)
    }
}

const fn published(name: &'static str, config: fn(&Value) -> Value) -> Published {
    Published { name, config }
}

/// Hand-designed optimizers with 20-step runs.
pub const HAND_DESIGNED: &[Published] = &[
    published("sgd", |c| json!({"name": "sgd", "lr": c["lr"]})),
    published("sgdm", |c| json!({"name": "momentum", "lr": c["lr"], "momentum": c["momentum"]})),
    published(
        "nesterov",
        |c| json!({"name": "momentum", "lr": c["lr"], "momentum": c["momentum"], "nesterov": true}),
    ),
    published("adam", adam),
    published("adam_lo", adam),
    published("rmsprop", rmsprop),
    published("rmsprop_momentum", rmsprop),
    published("adamw", |c| with(adam(c), "adamw", &[("weightDecay", &c["weight_decay"])])),
    published("nadamw", nadamw),
    published("nadamw_l2", nadamw),
    published("nadamw_cosine_f32", nadamw_of_arrays),
    published("opt_list_0", nadamw_of_arrays),
    published("opt_list_6", nadamw_of_arrays),
    published(
        "adagrad",
        |c| json!({"name": "adagrad", "lr": c["lr"], "initialAccumulator": c["initial_accumulator_value"], "eps": c["eps"]}),
    ),
    published(
        "lion",
        |c| json!({"name": "lion", "lr": c["lr"], "beta1": c["b1"], "beta2": c["b2"], "weightDecay": c["weight_decay"]}),
    ),
    published("yogi", |c| with(adam_without_root(c), "yogi", &[])),
    published("radam", |c| with(adam_without_root(c), "radam", &[("threshold", &c["threshold"])])),
    published("radam_fast", |c| with(adam_without_root(c), "radam", &[("threshold", &c["threshold"])])),
    published("adabelief", |c| with(adam(c), "adabelief", &[])),
    published("adafactor", |c| json!({"name": "adafactor", "lr": c["lr"]})),
    published(
        "adafactor_factored",
        |c| json!({"name": "adafactor", "lr": c["lr"], "minDimSizeToFactor": c["min_dim_size_to_factor"], "momentum": c["momentum"], "weightDecay": c["weight_decay_rate"]}),
    ),
    published("lamb", |c| json!({"name": "lamb", "lr": c["lr"], "weightDecay": c["weight_decay"]})),
    published("lars", |c| json!({"name": "lars", "lr": c["lr"], "weightDecay": c["weight_decay"]})),
    published("fromage", |c| json!({"name": "fromage", "lr": c["lr"]})),
    published("sm3", |c| json!({"name": "sm3", "lr": c["lr"]})),
    published("muon_optax", muon),
    published("muon_optax_decay", muon),
];

/// Learned optimizers with 20-step runs.
pub const LEARNED: &[Published] = &[
    published("mlp_lopt", |c| per_parameter("mlp_lopt", c)),
    published("adafac_mlp_lopt", |c| per_parameter("adafac_mlp", c)),
    published("rnn_mlp_lopt", hierarchical),
    published("rnn_mlp_lopt_valid", hierarchical),
    published("celo2", celo2),
    published("celo2_base", celo2_base),
    published("celo2_wd_exp", celo2),
    published("rnn_mlp_lopt_celo", hierarchical),
    published("learnable_sgd", |_| json!({"name": "learnable_sgd"})),
    published("learnable_sgdm", |_| json!({"name": "learnable_sgdm"})),
    published("learnable_adam", |_| json!({"name": "learnable_adam"})),
    published("nn_adam", nn_adam),
    published("velo", velo),
    published("velo_bugged", velo),
    published("celo_phase1", celo),
    published("celo_phase2", celo),
    published("celo_adam", celo_adam),
];

/// Cases that are made by a rule.
pub const RULE_MADE: &[Published] = &[
    published("mlp_lopt", |_| json!({"name": "mlp_lopt", "stepMult": 0.1})),
    published("adafac_mlp_lopt_h4", |_| json!({"name": "adafac_mlp", "stepMult": 0.1})),
    published("rnn_mlp_lopt", |_| json!({"name": "hierarchical", "variant": "library", "stepMult": 0.1})),
    published("celo2_base", celo2_base),
    published("celo2", celo2),
    published("celo_released_weights", |_| json!({"name": "celo", "phase": 2})),
    published("nn_adam", nn_adam),
    published("velo_h16_n8", velo_rule_made),
    published("velo_h16_n8_bugged", velo_rule_made),
    published(
        "celo_phase1",
        |c| json!({"name": "celo", "phase": c["phase"], "lstmHidden": 16, "stepMult": c["step_mult"]}),
    ),
    published(
        "celo_phase2",
        |c| json!({"name": "celo", "phase": c["phase"], "lstmHidden": 16, "stepMult": c["step_mult"]}),
    ),
    published("celo_adam", |c| json!({"name": "celo_adam", "lstmHidden": 16, "stepMult": c["step_mult"]})),
];

fn adam(c: &Value) -> Value {
    json!({"name": "adam", "lr": c["lr"], "beta1": c["b1"], "beta2": c["b2"], "eps": c["eps"], "epsRoot": c["eps_root"]})
}

fn adam_without_root(c: &Value) -> Value {
    json!({"lr": c["lr"], "beta1": c["b1"], "beta2": c["b2"], "eps": c["eps"]})
}

/// The options of `config` and some more, under a name.
fn with(mut config: Value, name: &str, more: &[(&str, &Value)]) -> Value {
    config["name"] = name.into();
    for (option, value) in more {
        config[option] = (*value).clone();
    }
    config
}

fn rmsprop(c: &Value) -> Value {
    let mut config = json!({"name": "rmsprop", "lr": c["lr"], "decay": c["decay"], "eps": c["eps"]});
    fill(&mut config, c, &[("momentum", "momentum"), ("nesterov", "nesterov")]);
    config
}

/// With literal decays, and a constant rate where the file names no schedule.
fn nadamw(c: &Value) -> Value {
    let mut config = json!({
        "name": "nadamw",
        "lr": c["learning_rate"], "beta1": c["beta1"], "beta2": c["beta2"], "eps": c["epsilon"],
        "weightDecay": c["adamw_weight_decay"], "l2": c["l2_weight_decay"], "nesterov": c["use_nesterov"],
    });
    fill(
        &mut config,
        c,
        &[
            ("min_learning_rate_mult", "minLrMult"),
            ("constant_fraction", "constantFraction"),
            ("warmup_fraction", "warmupFraction"),
        ],
    );
    config
}

fn nadamw_of_arrays(c: &Value) -> Value {
    with(nadamw(c), "nadamw", &[("arrayBetas", &true.into())])
}

/// Under optax's `partition` no tensor's name decides.
fn muon(c: &Value) -> Value {
    let mut config =
        json!({"name": "muon", "dialect": "optax", "lr": c["learning_rate"], "adamPattern": null});
    fill(
        &mut config,
        c,
        &[
            ("beta", "beta"),
            ("weight_decay", "weightDecay"),
            ("adam_learning_rate", "adamLr"),
            ("adam_b1", "adamBeta1"),
            ("adam_b2", "adamBeta2"),
            ("adam_weight_decay", "adamWeightDecay"),
        ],
    );
    config
}

fn per_parameter(name: &str, c: &Value) -> Value {
    json!({"name": name, "hidden": c["hidden_size"], "stepMult": c["step_mult"], "expMult": c["exp_mult"]})
}

fn hierarchical(c: &Value) -> Value {
    json!({
        "name": "hierarchical", "variant": "library",
        "stepMult": c["step_multiplier"], "expMult": c["magnitude_rate"], "hidden": c["hidden_size"],
        "fromMlp": c["from_mlp_size"], "fromLstm": c["from_lstm_size"], "lstmToFf": c["lstm_to_ff"],
        "lstmHidden": c["lstm_hidden_size"],
    })
}

/// What the file says, and the defaults where it is silent. Its `regex_1d`, "/b$", names the biases.
fn celo2(c: &Value) -> Value {
    let mut config = json!({"name": "celo2", "adamPattern": "[|/]b$"});
    fill(
        &mut config,
        c,
        &[
            ("step_mult", "stepMult"),
            ("exp_mult", "expMult"),
            ("weight_decay", "weightDecay"),
            ("adam_b1", "adamBeta1"),
            ("adam_b2", "adamBeta2"),
            ("mult_1d", "adamMult"),
            ("adam_bias_correction", "adamBiasCorrection"),
        ],
    );
    config
}

fn celo2_base(c: &Value) -> Value {
    let mut config = celo2(c);
    config["adamPattern"] = Value::Null;
    config["orthogonalize"] = false.into();
    config
}

fn nn_adam(c: &Value) -> Value {
    let mut config = json!({"name": "nn_adam"});
    let names = [
        ("output_scale", "outputScale"),
        ("initial_learning_rate", "initialLr"),
        ("lstm_hidden_size", "lstmHidden"),
    ];
    fill(&mut config, c, &names);
    config
}

fn velo(c: &Value) -> Value {
    json!({
        "name": "velo", "lstmHidden": c["lstm_hidden_size"], "paramInits": c["param_inits"],
        "stepMult": c["step_mult"], "expMult": c["exp_mult"],
        "buggedLossFeatures": c["use_bugged_loss_features"],
        "buggedNextLstmState": c["use_bugged_next_lstm_state"],
    })
}

fn velo_rule_made(c: &Value) -> Value {
    json!({
        "name": "velo", "lstmHidden": 16, "paramInits": 8, "stepMult": c["step_mult"],
        "ffMult": c["ff_mult"], "buggedLossFeatures": c["bugged_loss"], "buggedNextLstmState": c["bugged_state"],
    })
}

fn celo(c: &Value) -> Value {
    json!({
        "name": "celo", "phase": c["train_phase"], "lstmHidden": c["lstm_hidden_size"],
        "paramInits": c["param_inits"], "stepMult": c["step_mult"], "expMult": c["exp_mult"],
    })
}

fn celo_adam(c: &Value) -> Value {
    json!({"name": "celo_adam", "lstmHidden": c["lstm_hidden_size"], "stepMult": c["step_mult"]})
}

/// Copies the options that the file gives, under our names.
fn fill(config: &mut Value, published: &Value, names: &[(&str, &str)]) {
    for (theirs, ours) in names {
        if !published[theirs].is_null() {
            config[ours] = published[theirs].clone();
        }
    }
}
