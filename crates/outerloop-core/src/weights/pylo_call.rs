//! The constructor call that a PyLO directory needs beside its files: PyLO's defaults are not the values that the weights
//! were trained with.

use super::leaf::Leaf;
use serde_json::Value;

/// The call, in Python, for the optimizer with the given config and leaves; `None` if PyLO has no such optimizer.
/// `directory` is where the files are.
pub fn pylo_call(config: &Value, leaves: &[Leaf<'_>], directory: &str) -> Option<String> {
    let name = config.get("name")?.as_str()?;
    let path = |part: &str| Value::from(format!("{directory}{part}")).to_string();
    let number = |key: &str| config.get(key).map(Value::to_string);
    let mut arguments = vec!["params".to_string()];
    let class = match name {
        "adafac_mlp" => {
            for key in ["momentum_decays", "rms_decays", "adafactor_decays"] {
                let leaf = leaves.iter().find(|leaf| leaf.spec.name == key)?;
                let values: Vec<_> = leaf.data.iter().map(f32::to_string).collect();
                arguments.push(format!("{key}=[{}]", values.join(", ")));
            }
            let hidden = leaves.iter().find(|leaf| leaf.spec.name == "nn/~/b0")?.data.len();
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
                "num_steps=NUM_STEPS".into(),
                format!("peak_lr={}", number("stepMult")?),
                format!("weight_decay={}", number("weightDecay")?),
                format!("adam_lr_mult={}", number("adamMult")?),
                format!("use_adamw_for_1d={}", python(!config.get("adamPattern")?.is_null())),
                format!("orthogonalize={}", python(yes)),
                format!("exp_mult={}", number("expMult")?),
                format!("hf_key={}", path("")),
            ]);
            "CELO2_naive"
        }
        "velo" => {
            let find = |key: &str| leaves.iter().find(|leaf| leaf.spec.name == key);
            arguments.extend([
                "lr=1.0".into(),
                format!("exp_mult={}", number("expMult").unwrap_or("0.001".into())),
                format!("step_mult={}", number("stepMult").unwrap_or("0.001".into())),
                format!("lstm_hidden_size={}", find("lstm_init_state/hidden")?.data.len()),
                format!("param_inits={}", find("ff_mod_stack/~/b0")?.spec.shape.first()?),
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
