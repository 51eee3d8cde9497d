//! What a PyLO directory needs beside its files: the call of the constructor, whose defaults are not the values that the
//! weights were trained with, and what PyLO (d05c6c1) does otherwise whatever it is given.

use super::leaf::Leaf;
use serde_json::Value;

/// Decays of the momenta of `adafac_mlp` before the learned offsets.
const MOMENTUM_DECAYS: [f32; 3] = [0.9, 0.99, 0.999];

/// The call, in Python, for the optimizer with the given config and leaves, and the differences; empty if PyLO has no such
/// optimizer. `directory` is where the files are.
pub fn pylo_notes(config: &Value, leaves: &[Leaf<'_>], directory: &str) -> Vec<String> {
    let Some(call) = call(config, leaves, directory) else { return vec![] };
    let mut notes = vec![
        format!("In PyLO: {call}"),
        "Square matrices and convolutions get other steps there: PyTorch's layouts exchange their axes."
            .into(),
    ];
    let offsets = leaves.iter().find(|leaf| leaf.spec.name == "momentum_decays");
    if offsets.is_some_and(|leaf| {
        leaf.data.iter().zip(MOMENTUM_DECAYS).any(|(x, d)| (1.0 - d) * (10.0 * x).exp() > 1.0)
    }) {
        notes.push("A learned decay of a momentum is below zero, and PyLO clips it to zero.".into());
    }
    if config.get("adamBiasCorrection").is_some_and(|x| *x == Value::Bool(false)) {
        notes.push("PyLO corrects the bias of Adam's moments, which this config does not.".into());
    }
    notes
}

fn call(config: &Value, leaves: &[Leaf<'_>], directory: &str) -> Option<String> {
    let name = config.get("name")?.as_str()?;
    let path = |part: &str| Value::from(format!("{directory}{part}")).to_string();
    let number = |key: &str| config.get(key).map(Value::to_string);
    let leaf = |name: &str| leaves.iter().find(|leaf| leaf.spec.name == name);
    let mut arguments = vec!["params".to_string()];
    let class = match name {
        "adafac_mlp" => {
            for key in ["momentum_decays", "rms_decays", "adafactor_decays"] {
                let values: Vec<_> = leaf(key)?.data.iter().map(f32::to_string).collect();
                arguments.push(format!("{key}=[{}]", values.join(", ")));
            }
            let hidden = leaf("nn/~/b0")?.data.len();
            arguments.extend([
                "lr=1.0".into(),
                format!("exp_mult={}", number("expMult")?),
                format!("step_mult={}", number("stepMult")?),
                format!("hidden_size={hidden}"),
                format!("hf_key={}", path("")),
            ]);
            "AdafacLO_naive"
        }
        "celo2" => {
            let yes = config.get("orthogonalize")?.as_bool()?;
            arguments.extend([
                format!("lr={}", number("stepMult")?),
                format!("weight_decay={}", number("weightDecay")?),
                format!("adam_lr_mult={}", number("adamMult")?),
                format!("adam_betas=({}, {})", number("adamBeta1")?, number("adamBeta2")?),
                format!("use_adamw_for_1d={}", python(!config.get("adamPattern")?.is_null())),
                format!("orthogonalize={}", python(yes)),
                format!("ff_hidden_size={}", leaf("ff_mod_stack/~/b0")?.data.len()),
                format!("exp_mult={}", number("expMult")?),
                format!("hf_key={}", path("")),
            ]);
            "CELO2_naive"
        }
        "velo" => {
            arguments.extend([
                "lr=1.0".into(),
                format!("exp_mult={}", number("expMult").unwrap_or("0.001".into())),
                format!("step_mult={}", number("stepMult").unwrap_or("0.001".into())),
                format!("lstm_hidden_size={}", leaf("lstm_init_state/hidden")?.data.len()),
                format!("param_inits={}", leaf("ff_mod_stack/~/b0")?.spec.shape.first()?),
                "num_steps=NUM_STEPS".into(),
                format!("hf_key_rnn={}", path("/rnn")),
                format!("hf_key_mlp={}", path("/mlp")),
            ]);
            "VeLO"
        }
        _ => return None,
    };
    Some(format!("{class}({})", arguments.join(", ")))
}

fn python(yes: bool) -> &'static str {
    if yes { "True" } else { "False" }
}
