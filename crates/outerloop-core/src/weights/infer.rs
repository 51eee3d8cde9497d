//! Which optimizer leaves look like: by their names, its sizes by their shapes.

use super::pylo_layout::{ADAFAC_INPUTS, VELO_HIDDEN, VELO_INPUTS};
use crate::params::TensorSpec;
use serde::Serialize;
use serde_json::{Value, json};

/// Features that the LSTM of Celo and Celo-Adam sees.
const CELO_INPUTS: usize = 18;
/// Normalised channels and other inputs of the hierarchical optimizer's network besides the LSTM's, by variant.
const HIERARCHICAL_INPUTS: [(&str, usize); 2] = [("library", 37), ("paper", 38)];

/// An option that leaves cannot tell and that weights were trained for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Choice {
    /// Its name in the config.
    pub option: &'static str,
    /// What it may be, and when.
    pub values: &'static str,
}

/// What leaves tell of their optimizer.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Inferred {
    /// Name and sizes; complete but for `choices` and for options that have defaults.
    pub config: Value,
    /// What the user has to know.
    pub choices: Vec<Choice>,
}

/// The optimizer that has such leaves; `None` if there is none. Whether all leaves fit is for [`super::flat_theta`].
pub fn infer_optimizer(leaves: &[TensorSpec]) -> Option<Inferred> {
    let leaves = Leaves(leaves);
    let known = |config| Some(Inferred { config, choices: vec![] });
    if leaves.has("ff_mod_stack/~/b0") && !leaves.has("rnn_params/rnn/linear/w") {
        return match leaves.shape("ff_mod_stack/~/b0") {
            Some(&[hidden]) => known(json!({ "name": "celo2", "hidden": hidden })),
            _ => None,
        };
    }
    if leaves.has("rnn_params/step_size/w") {
        return scheduled(leaves);
    }
    if let Some(&[inputs, hidden]) = leaves.shape("nn/~/w0") {
        return if inputs == ADAFAC_INPUTS {
            known(json!({ "name": "adafac_mlp", "hidden": hidden }))
        } else {
            None
        };
    }
    if let Some(&[_, hidden]) = leaves.shape("mlp/~/linear_0/w") {
        return known(json!({ "name": "mlp_lopt", "hidden": hidden }));
    }
    if leaves.has("ffmod_params/mlp/~/linear_0/w") {
        return hierarchical(leaves).and_then(known);
    }
    if let Some(&[_, hidden]) = leaves.shape("lstm_init_state/hidden")
        && leaves.has("per_layer_lr")
    {
        return known(json!({ "name": "nn_adam", "lstmHidden": hidden }));
    }
    let mut names: Vec<_> = leaves.0.iter().map(|leaf| &leaf.name[..]).collect();
    names.sort_unstable();
    match names[..] {
        ["log_lr"] => known(json!({ "name": "learnable_sgd" })),
        ["log_lr", "one_minus_momentum"] => known(json!({ "name": "learnable_sgdm" })),
        ["log_epsilon", "log_lr", "one_minus_beta1", "one_minus_beta2"] => {
            known(json!({ "name": "learnable_adam" }))
        }
        _ => None,
    }
}

/// Leaves that no step depends on: one of three layers of VeLO's, Celo's and Celo-Adam's scheduler, whose result is
/// discarded, and Celo's controls where its bank has one entry, whose weights are a softmax over one number.
pub fn dead_leaves(leaves: &[TensorSpec]) -> Vec<String> {
    let all = Leaves(leaves);
    let mut dead = vec![];
    if all.has("rnn_params/step_size/w") {
        dead.extend(["rnn_params/linear/b", "rnn_params/linear/w"]);
        let is_celo = matches!(all.shape("rnn_params/linear_1/w"), Some([CELO_INPUTS, _]));
        if is_celo && matches!(all.shape("rnn_params/rnn_to_controls/w"), Some([_, 1])) {
            dead.extend(["rnn_params/rnn_to_controls/b", "rnn_params/rnn_to_controls/w"]);
        }
    }
    dead.into_iter().filter(|name| all.has(name)).map(Into::into).collect()
}

/// VeLO, Celo, Celo-Adam: those with a scheduler.
fn scheduled(leaves: Leaves<'_>) -> Option<Inferred> {
    let &[inputs, hidden] = leaves.shape("rnn_params/linear_1/w")? else { return None };
    let bank = leaves.shape("ff_mod_stack/~/b0");
    let (config, choices) = match (inputs, bank) {
        (CELO_INPUTS, None) => (json!({ "name": "celo_adam", "lstmHidden": hidden }), vec![]),
        (CELO_INPUTS, Some(&[bank, VELO_HIDDEN])) => {
            let phase = Choice { option: "phase", values: "1 or 2; released weights are of phase 2" };
            let mut config = json!({ "name": "celo", "lstmHidden": hidden });
            if bank != 1 {
                config["paramInits"] = bank.into();
            }
            (config, vec![phase])
        }
        (VELO_INPUTS, Some(&[bank, VELO_HIDDEN])) => {
            let choices = vec![
                Choice {
                    option: "buggedLossFeatures",
                    values: "what config.gin says; true if nothing says it",
                },
                Choice { option: "buggedNextLstmState", values: "true for files of before 2022, else false" },
                Choice {
                    option: "ffMult",
                    values: "100 for weights of Google's, 1 for those of amoudgl/celo",
                },
            ];
            (json!({ "name": "velo", "lstmHidden": hidden, "paramInits": bank }), choices)
        }
        _ => return None,
    };
    Some(Inferred { config, choices })
}

fn hierarchical(leaves: Leaves<'_>) -> Option<Value> {
    let len = |name| match leaves.shape(name) {
        Some(&[len]) => Some(len),
        _ => None,
    };
    let &[inputs, hidden] = leaves.shape("ffmod_params/mlp/~/linear_0/w")? else { return None };
    let &[_, lstm_hidden] = leaves.shape("lstm_init_state/hidden")? else { return None };
    let to_ff = len("rnn_to_ff_params/rnn_to_ff/b")?;
    let own = inputs.checked_sub(to_ff)?;
    let (variant, _) = HIERARCHICAL_INPUTS.into_iter().find(|(_, inputs)| *inputs == own)?;
    Some(json!({
        "name": "hierarchical",
        "variant": variant,
        "hidden": hidden,
        "fromMlp": len("initial_from_mlp")?,
        "fromLstm": len("initial_from_lstm")?,
        "lstmToFf": to_ff,
        "lstmHidden": lstm_hidden,
    }))
}

#[derive(Clone, Copy)]
struct Leaves<'a>(&'a [TensorSpec]);

impl<'a> Leaves<'a> {
    fn shape(self, name: &str) -> Option<&'a [usize]> {
        self.0.iter().find(|leaf| leaf.name == name).map(|leaf| &leaf.shape[..])
    }

    fn has(self, name: &str) -> bool {
        self.shape(name).is_some()
    }
}
