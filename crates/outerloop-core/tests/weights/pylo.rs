//! PyLO's directories.

use crate::specs;
use outerloop_core::error::ErrorCode;
use outerloop_core::optim::ThetaSpec;
use outerloop_core::weights::{
    DecayOffsets, PyloModule, PyloPart, flat_theta, leaves_of, pylo_notes, read_pylo, write_pylo,
};
use safetensors::SafeTensors;
use serde_json::{Value, json};

fn write(name: &str, spec: &ThetaSpec) -> Vec<PyloPart> {
    let theta = specs::theta(spec);
    write_pylo(&json!({ "name": name }), &leaves_of(&theta, spec).expect("its length"))
        .expect("known to PyLO")
}

fn modules(parts: &[PyloPart]) -> Vec<PyloModule<'_>> {
    parts.iter().map(|part| PyloModule { config: &part.config, weights: &part.weights }).collect()
}

/// `[row, column]` of a tensor's last two axes in bank entry `n`.
fn at(file: &SafeTensors<'_>, name: &str, n: usize, row: usize, column: usize) -> f32 {
    let view = file.tensor(name).expect(name);
    let [rows, columns] = view.shape()[view.shape().len() - 2..] else { panic!("{name} is no matrix") };
    let i = 4 * ((n * rows + row) * columns + column);
    f32::from_le_bytes(view.data()[i..i + 4].try_into().expect("four bytes"))
}

fn shape(file: &SafeTensors<'_>, name: &str) -> Vec<usize> {
    file.tensor(name).expect(name).shape().to_vec()
}

#[test]
fn what_is_written_is_read() {
    let velo = specs::velo(30, 12, 5);
    for (name, spec) in [
        ("celo2", specs::spec(r#"{"name":"celo2"}"#)),
        ("celo2", specs::spec(r#"{"name":"celo2","hidden":6}"#)),
        ("velo", velo),
    ] {
        let parts = write(name, &spec);
        let mut modules = modules(&parts);
        for _ in 0..2 {
            let leaves = read_pylo(&modules, None).expect("as written");
            assert_eq!(flat_theta(&leaves, &spec).expect("complete"), specs::theta(&spec), "{name}");
            modules.reverse();
        }
    }
}

/// MetaMLP has no decays: what the caller says takes their place.
#[test]
fn offsets_of_decays_come_from_the_caller() {
    let spec = specs::spec(r#"{"name":"adafac_mlp","hidden":5}"#);
    let theta = specs::theta(&spec);
    let parts = write("adafac_mlp", &spec);
    let bare = read_pylo(&modules(&parts), None).expect("as written");
    let error = flat_theta(&bare, &spec).expect_err("no offsets");
    assert!(
        error.message.contains("missing: `adafactor_decays` [3], `momentum_decays` [3], `rms_decays` [1]")
    );
    let decays = DecayOffsets {
        adafactor: [theta[0], theta[1], theta[2]],
        momentum: [theta[3], theta[4], theta[5]],
        rms: [theta[theta.len() - 1]],
    };
    let leaves = read_pylo(&modules(&parts), Some(decays)).expect("as written");
    assert_eq!(flat_theta(&leaves, &spec).expect("complete"), theta);
    let celo2 = write("celo2", &specs::spec(r#"{"name":"celo2"}"#));
    assert_eq!(read_pylo(&modules(&celo2), Some(decays)).expect_err("none").code, ErrorCode::InvalidOption);
}

/// Linear layers are [outputs, inputs] in PyTorch.
#[test]
fn meta_mlp_has_transposed_weights() {
    let spec = specs::spec(r#"{"name":"adafac_mlp","hidden":32}"#);
    let theta = specs::theta(&spec);
    let parts = write("adafac_mlp", &spec);
    let config: Value = serde_json::from_str(&parts[0].config).expect("JSON");
    assert_eq!(config, json!({ "input_size": 39, "hidden_size": 32, "hidden_layers": 1 }));
    let file = SafeTensors::deserialize(&parts[0].weights).expect("safetensors");
    assert_eq!(file.names().len(), 6);
    assert_eq!(shape(&file, "network.input.weight"), [32, 39]);
    assert_eq!(shape(&file, "network.linear_0.weight"), [32, 32]);
    assert_eq!(shape(&file, "network.output.weight"), [2, 32]);
    assert_eq!(shape(&file, "network.output.bias"), [2]);
    // Theta: 3 + 3 decays, b0, b1, b2, w0 [39, 32].
    let w0 = 6 + 32 + 32 + 2;
    for (unit, input) in [(0, 0), (31, 3), (7, 38)] {
        assert_eq!(at(&file, "network.input.weight", 0, unit, input), theta[w0 + input * 32 + unit]);
    }
}

/// PyLO's own: the shapes of its documentation for the released sizes, groups in numeric order.
#[test]
fn velo_has_one_matrix_of_all_groups() {
    let (h, n) = (512, 256);
    let spec = specs::velo(30, h, n);
    let theta = specs::theta(&spec);
    let parts = write("velo", &spec);
    assert_eq!(parts.iter().map(|part| part.directory).collect::<Vec<_>>(), ["mlp", "rnn"]);
    let configs: Vec<Value> =
        parts.iter().map(|part| serde_json::from_str(&part.config).expect("JSON")).collect();
    let mlp = json!({ "param_inits": 256, "input_size": 30, "hidden_size": 4, "hidden_layers": 1, "output_size": 3 });
    assert_eq!(configs[0], mlp);
    let rnn = json!({ "input_size": 30, "lstm_hidden_size": 512, "param_inits": 256, "mix_layers": true });
    assert_eq!(configs[1], rnn);
    let [mlp, rnn] = [0, 1].map(|i| SafeTensors::deserialize(&parts[i].weights).expect("safetensors"));
    assert_eq!(mlp.names().len(), 12);
    assert_eq!(rnn.names().len(), 14);
    for (name, expected) in [
        ("input_weights_", vec![256, 4, 30]),
        ("input_bias_", vec![256, 4]),
        ("hidden_weights_.0", vec![256, 4, 4]),
        ("hidden_bias_.0", vec![256, 4]),
        ("output_weights_", vec![256, 3, 4]),
        ("output_bias_", vec![256, 3]),
        ("input_weights", vec![4, 30]),
        ("hidden_bias.0", vec![4]),
        ("output_weights", vec![3, 4]),
    ] {
        assert_eq!(shape(&mlp, name), expected, "{name}");
    }
    for (name, expected) in [
        ("mix_layer1.weight", vec![512, 30]),
        ("final_mix_layer.bias", vec![512]),
        ("lstm.linear.weight", vec![2048, 1024]),
        ("lstm.linear.bias", vec![2048]),
        ("rnn_to_controls.weight", vec![256, 512]),
        ("step_size.weight", vec![1, 512]),
        ("lstm_init_state.1", vec![1, 512]),
    ] {
        assert_eq!(shape(&rnn, name), expected, "{name}");
    }
    let leaf = |name: &str| {
        let leaves = leaves_of(&theta, &spec).expect("its length");
        leaves.into_iter().find(|leaf| leaf.spec.name == name).expect(name).data
    };
    // Group 3 starts at channel 3 and has three, group 10 at 18, group 13 is the last three.
    for (group, channels, first) in [(0, 1, 0), (3, 3, 3), (10, 3, 18), (13, 3, 27)] {
        let w = leaf(&format!("ff_mod_stack/~/w0__{group}"));
        for (entry, channel, unit) in [(0, 0, 0), (7, channels - 1, 3), (255, channels - 1, 1)] {
            let expected = w[(entry * channels + channel) * 4 + unit];
            assert_eq!(at(&mlp, "input_weights_", entry, unit, first + channel), expected, "group {group}");
        }
    }
    assert_eq!(at(&mlp, "output_weights_", 9, 2, 1), leaf("ff_mod_stack/~/w2")[(9 * 4 + 1) * 3 + 2]);
    assert_eq!(
        at(&rnn, "lstm.linear.weight", 0, 1500, 700),
        leaf("rnn_params/rnn/linear/w")[700 * 2048 + 1500]
    );
    assert_eq!(at(&rnn, "mix_layer2.weight", 0, 100, 29), leaf("rnn_params/linear_1/w")[29 * 512 + 100]);
}

#[test]
fn modules_that_do_not_fit_are_refused() {
    let celo2 = write("celo2", &specs::spec(r#"{"name":"celo2"}"#)).remove(0);
    let meta = write("adafac_mlp", &specs::spec(r#"{"name":"adafac_mlp"}"#)).remove(0);
    let velo = write("velo", &specs::velo(30, 6, 3));
    let module = |config, part: &'static PyloPart| PyloModule { config, weights: &part.weights };
    let leak = |part: &PyloPart| -> &'static PyloPart { Box::leak(Box::new(part.clone())) };
    let [celo2, meta, mlp, rnn] = [&celo2, &meta, &velo[0], &velo[1]].map(leak);
    for (what, modules, named) in [
        ("no JSON", vec![module("x", celo2)], "config.json"),
        ("another activation", vec![module(r#"{"activation":"tanh"}"#, celo2)], "`activation`"),
        ("no size", vec![module("{}", meta)], "`hidden_size`"),
        ("another size", vec![module(r#"{"hidden_size":8}"#, meta)], "`network.input.weight`"),
        ("a huge size", vec![module(r#"{"hidden_size":1e15}"#, meta)], "`hidden_size`"),
        ("more layers", vec![module(r#"{"hidden_size":4,"hidden_layers":2}"#, meta)], "`hidden_layers`"),
        ("half of VeLO", vec![module(&mlp.config, mlp)], "other modules"),
        ("one half twice", vec![module(&rnn.config, rnn), module(&rnn.config, rnn)], "other modules"),
    ] {
        let error = read_pylo(&modules, Some(DecayOffsets::default())).expect_err(what);
        assert_eq!(error.code, ErrorCode::CheckpointInvalid, "{what}");
        assert!(error.message.contains(named), "{what}: {}", error.message);
    }
    // A name of the same length, so that the header stays whole.
    let renamed = |from: &str, to: &str| {
        let at =
            meta.weights.windows(from.len()).position(|window| window == from.as_bytes()).expect("the name");
        let mut weights = meta.weights.clone();
        weights[at..at + to.len()].copy_from_slice(to.as_bytes());
        let module = PyloModule { config: &meta.config, weights: &weights };
        read_pylo(&[module], Some(DecayOffsets::default())).expect_err("another name").message
    };
    assert!(renamed("network.output.bias", "network.output.bios").contains("`network.output.bias`"));
    assert!(renamed("\"F32\"", "\"I32\"").contains("I32"));
    for config in [
        json!({ "name": "mlp_lopt" }),
        json!({ "name": "velo", "buggedLossFeatures": true }),
        json!({ "name": "velo", "buggedNextLstmState": true }),
        json!({ "name": "velo", "ffMult": 1 }),
    ] {
        let error = write_pylo(&config, &[]).expect_err("PyLO lacks it");
        assert_eq!(error.code, ErrorCode::InvalidOption, "{config}");
    }
}

#[test]
fn the_call_has_what_files_lack() {
    let spec = specs::spec(r#"{"name":"adafac_mlp"}"#);
    let mut theta = vec![0.0; spec.len()];
    theta[3] = 0.25;
    let leaves = leaves_of(&theta, &spec).expect("its length");
    let config = json!({ "name": "adafac_mlp", "hidden": 4, "stepMult": 0.001, "expMult": 0.001 });
    let notes = pylo_notes(&config, &leaves, "out");
    assert_eq!(
        notes[0],
        "In PyLO: AdafacLO_naive(params, momentum_decays=[0.25, 0, 0], rms_decays=[0], adafactor_decays=[0, 0, 0], lr=1.0, \
         exp_mult=0.001, step_mult=0.001, hidden_size=4, hf_key=\"out\")"
    );
    // 1 − 0.1·e^2.5 = −0.22.
    assert!(notes.iter().any(|note| note.contains("clips")));
    theta[3] = 0.22;
    let notes = pylo_notes(&config, &leaves_of(&theta, &spec).expect("its length"), "out");
    assert!(!notes.iter().any(|note| note.contains("clips")));
    assert!(pylo_notes(&json!({ "name": "mlp_lopt" }), &[], "out").is_empty());
}

/// Arguments of the constructors at d05c6c1, read: what a call names must be among them.
#[test]
fn calls_name_arguments_that_pylo_has() {
    let (yes, no) = (Value::Bool(true), Value::Bool(false));
    let mut celo2 = json!({
        "name": "celo2", "hidden": 6, "stepMult": 0.01, "expMult": 0, "weightDecay": 0.1, "orthogonalize": yes,
        "adamPattern": null, "adamMult": 20, "adamBeta1": 0.9, "adamBeta2": 0.95, "adamBiasCorrection": no,
    });
    let spec = |json: &str| specs::spec(json);
    for (config, spec, class, known) in [
        (
            json!({ "name": "adafac_mlp", "hidden": 4, "stepMult": 0.001, "expMult": 0.001 }),
            spec(r#"{"name":"adafac_mlp"}"#),
            "AdafacLO_naive",
            "momentum_decays rms_decays adafactor_decays lr exp_mult step_mult input_size hidden_size hidden_layers hf_key",
        ),
        (
            celo2.clone(),
            spec(r#"{"name":"celo2","hidden":6}"#),
            "CELO2_naive",
            "lr weight_decay adam_lr_mult adam_weight_decay adam_betas adam_eps use_adamw_for_1d orthogonalize clip_grad \
             clip_norm ff_hidden_size ff_hidden_layers exp_mult rmsmult hf_key",
        ),
        (
            json!({ "name": "velo", "stepMult": 0.001, "expMult": 0.001 }),
            specs::velo(30, 12, 5),
            "VeLO",
            "lr exp_mult step_mult lstm_hidden_size param_inits num_steps hf_key_rnn hf_key_mlp",
        ),
    ] {
        let theta = specs::theta(&spec);
        let notes = pylo_notes(&config, &leaves_of(&theta, &spec).expect("its length"), "out");
        let call = notes[0].strip_prefix(&format!("In PyLO: {class}(params, ")).expect("a call");
        // A value may hold a comma, but no argument's name with it.
        let names = call.split(", ").filter_map(|argument| argument.split_once('=')).map(|(name, _)| name);
        let known: Vec<_> = known.split_whitespace().collect();
        let unknown: Vec<_> = names.filter(|name| !known.contains(name)).collect();
        assert!(unknown.is_empty(), "{call}: {unknown:?}");
    }
    celo2["adamPattern"] = "b".into();
    let spec = spec(r#"{"name":"celo2","hidden":6}"#);
    let theta = specs::theta(&spec);
    assert_eq!(
        pylo_notes(&celo2, &leaves_of(&theta, &spec).expect("its length"), "out")[0],
        "In PyLO: CELO2_naive(params, lr=0.01, weight_decay=0.1, adam_lr_mult=20, adam_betas=(0.9, 0.95), \
         use_adamw_for_1d=True, orthogonalize=True, ff_hidden_size=6, exp_mult=0, hf_key=\"out\")"
    );
}
