//! PyLO's modules: `config.json` (arguments of the constructor) and `model.safetensors`, as `from_pretrained` reads them.
//!
//! Belilovsky-Lab/pylo, pylo/models, d05c6c1: `MetaMLP` is `adafac_mlp`, `CELO2MLP` is `celo2`, `VeLOMLP` and `VeLORNN`
//! together are `velo`. Names and shapes are checked strictly, which PyLO itself does not do. `MetaMLP` lacks the offsets
//! of the decays: PyLO passes them to the optimizer's constructor, so whoever reads such a file must know them.

use super::leaf::{Leaf, by_name};
use super::pylo_layout::{self as layout, Entry, Part};
use crate::error::{Error, Result};
use crate::params::TensorSpec;
use safetensors::tensor::{Dtype, SafeTensors, TensorView, serialize};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::HashMap;

/// Largest size that a config may name.
const MAX_SIZE: u64 = 1 << 20;

/// VeLO's factor of the mixed weights in PyLO.
const PYLO_FF_MULT: f64 = 100.0;

/// One module as its two files have it.
#[derive(Clone, Copy, Debug)]
pub struct PyloModule<'a> {
    /// Text of `config.json`.
    pub config: &'a str,
    /// Bytes of `model.safetensors`.
    pub weights: &'a [u8],
}

/// One module to be written.
#[derive(Clone, Debug)]
pub struct PyloPart {
    /// Directory of its two files inside the target: empty, `mlp` or `rnn`.
    pub directory: &'static str,
    /// Text of `config.json`.
    pub config: String,
    /// Bytes of `model.safetensors`.
    pub weights: Vec<u8>,
}

/// Offsets of the decays of `adafac_mlp`, as its theta has them.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct DecayOffsets {
    /// `momentum_decays`.
    pub momentum: [f32; 3],
    /// `rms_decays`.
    pub rms: [f32; 1],
    /// `adafactor_decays`.
    pub adafactor: [f32; 3],
}

impl DecayOffsets {
    /// The defaults of PyLO's `AdafacLO_naive`: those of muLO.
    pub const MULO: Self = Self {
        momentum: [0.152_163_92, 0.142_452_12, 0.068_129_63],
        rms: [0.010_797_06],
        adafactor: [0.186_218_96, -0.108_646_15, -0.061_855_47],
    };

    fn leaves(self) -> [Leaf<'static>; 3] {
        let leaf = |name: &str, data: &[f32]| Leaf {
            spec: TensorSpec::new(name, [data.len()]),
            data: Cow::Owned(data.to_vec()),
        };
        [
            leaf("adafactor_decays", &self.adafactor),
            leaf("momentum_decays", &self.momentum),
            leaf("rms_decays", &self.rms),
        ]
    }
}

/// A class of PyLO's.
#[derive(Clone, Copy, PartialEq)]
enum Class {
    MetaMlp,
    Celo2Mlp,
    VeloMlp,
    VeloRnn,
}

/// Reads the leaves of one module, or of VeLO's two, in any order. Without `decays` those of a `MetaMLP` lack the offsets of
/// the decays.
/// # Errors
/// `CheckpointInvalid` naming the tensor or the entry of the config; `InvalidOption` if offsets are given where none lack.
pub fn read_pylo(modules: &[PyloModule<'_>], decays: Option<DecayOffsets>) -> Result<Vec<Leaf<'static>>> {
    let mut leaves = vec![];
    let mut classes = vec![];
    for module in modules {
        let (class, own) = read_module(module)?;
        classes.push(class);
        leaves.extend(own);
    }
    match classes[..] {
        [Class::MetaMlp] => {
            leaves.extend(decays.into_iter().flat_map(DecayOffsets::leaves));
            leaves.iter().try_for_each(Leaf::check_finite)?;
        }
        [Class::Celo2Mlp] | [Class::VeloMlp, Class::VeloRnn] | [Class::VeloRnn, Class::VeloMlp] => {
            if decays.is_some() {
                return Err(Error::option("expected `decayOffsets` to be absent: only a MetaMLP lacks them"));
            }
        }
        _ => return Err(invalid("expected one module, or VeLO's `mlp` and `rnn`, got other modules")),
    }
    Ok(leaves)
}

fn invalid(text: impl std::fmt::Display) -> Error {
    Error::checkpoint(format!("PyLO: {text}"))
}

fn read_module(module: &PyloModule<'_>) -> Result<(Class, Vec<Leaf<'static>>)> {
    let config: Value = serde_json::from_str(module.config)
        .map_err(|e| invalid(format!("config.json: expected JSON, got {e}")).caused_by(e))?;
    let file = SafeTensors::deserialize(module.weights)
        .map_err(|e| invalid(format!("model.safetensors: {e}")).caused_by(e))?;
    let mut views: HashMap<_, _> = file.tensors().into_iter().collect();
    let (class, entries) = class_of(&config, &views)?;
    let mut leaves = vec![];
    for Entry { tensor, part } in entries {
        let view = match (views.remove(&tensor.name), &part) {
            (Some(view), _) => view,
            (None, Part::Scratch) => continue,
            (None, _) => {
                return Err(invalid(format!(
                    "expected a tensor `{}` {:?}, got none",
                    tensor.name, tensor.shape
                )));
            }
        };
        if view.dtype() != Dtype::F32 || view.shape() != tensor.shape {
            let got = format!("{:?} {:?}", view.dtype(), view.shape());
            return Err(invalid(format!(
                "expected `{}` to be F32 {:?}, got {got}",
                tensor.name, tensor.shape
            )));
        }
        let (words, _) = view.data().as_chunks::<4>();
        let data: Vec<f32> = words.iter().map(|&word| f32::from_le_bytes(word)).collect();
        match part {
            Part::Same(spec) => leaves.push(Leaf { spec, data: Cow::Owned(data) }),
            Part::Transposed(specs) => leaves.extend(layout::transpose_back(&data, &tensor, specs)),
            Part::Scratch => {}
        }
    }
    if let Some(name) = views.keys().min() {
        return Err(invalid(format!("expected no tensor {name:?}, got one")));
    }
    leaves.iter().try_for_each(Leaf::check_finite)?;
    Ok((class, leaves))
}

/// The class by a tensor that only it has, and its tensors by what its config says.
fn class_of(config: &Value, views: &HashMap<String, TensorView<'_>>) -> Result<(Class, Vec<Entry>)> {
    let size = |key: &str| match config.get(key).and_then(Value::as_u64) {
        Some(size @ 1..=MAX_SIZE) => Ok(size as usize),
        _ => Err(invalid(format!("config.json: expected `{key}` to be a size, got {:?}", config.get(key)))),
    };
    let expect = |defaults: &Value| {
        for (key, expected) in defaults.as_object().into_iter().flatten() {
            if config.get(key).is_some_and(|got| got != expected) {
                let got = &config[key];
                return Err(invalid(format!("config.json: expected `{key}` to be {expected}, got {got}")));
            }
        }
        Ok(())
    };
    if views.contains_key("network.input.weight") {
        expect(&json!({ "input_size": layout::ADAFAC_INPUTS, "hidden_layers": 1 }))?;
        return Ok((Class::MetaMlp, layout::meta_mlp(size("hidden_size")?)));
    }
    if views.contains_key("dense_w.0") {
        expect(&celo2_config())?;
        let hidden = match config.get("hidden_size") {
            None => layout::CELO2_HIDDEN,
            Some(_) => size("hidden_size")?,
        };
        return Ok((Class::Celo2Mlp, layout::celo2_mlp(hidden)));
    }
    if views.contains_key("input_weights_") {
        expect(&velo_mlp_config())?;
        return Ok((Class::VeloMlp, layout::velo_mlp(size("param_inits")?)));
    }
    if views.contains_key("mix_layer1.weight") {
        expect(&json!({ "input_size": layout::VELO_INPUTS, "mix_layers": true }))?;
        return Ok((Class::VeloRnn, layout::velo_rnn(size("lstm_hidden_size")?, size("param_inits")?)));
    }
    Err(invalid("expected the tensors of MetaMLP, CELO2MLP, VeLOMLP or VeLORNN, got others"))
}

/// All but the width.
fn celo2_config() -> Value {
    json!({
        "activation": "relu",
        "feature_dims": layout::GROUPS,
        "hidden_layers": 2,
        "output_size": layout::OUTPUTS,
    })
}

fn velo_mlp_config() -> Value {
    json!({
        "hidden_layers": 1,
        "hidden_size": layout::VELO_HIDDEN,
        "input_size": layout::VELO_INPUTS,
        "output_size": layout::OUTPUTS,
    })
}

/// Writes the leaves of the optimizer with the given config as PyLO's modules. Offsets of decays are not in them: see
/// [`super::pylo_notes`].
/// # Errors
/// `InvalidOption` if PyLO has no such optimizer, or not with these options, `CheckpointInvalid` if a leaf is missing, of another shape or not finite.
pub fn write_pylo(config: &Value, leaves: &[Leaf<'_>]) -> Result<Vec<PyloPart>> {
    leaves.iter().try_for_each(Leaf::check_finite)?;
    let leaves = by_name(leaves)?;
    let axis = |leaf: &str, axis: usize| {
        let length = leaves.get(leaf).and_then(|leaf| leaf.spec.shape.get(axis));
        length.copied().ok_or_else(|| invalid(format!("expected a leaf `{leaf}`, got none")))
    };
    let part = |directory, config: Value, entries: Vec<Entry>| -> Result<PyloPart> {
        // As `json.dumps(config, sort_keys=True, indent=2)`, which is how the hub's client writes it.
        let config = serde_json::to_string_pretty(&config).map_err(invalid)?;
        Ok(PyloPart { directory, config, weights: write_module(entries, &leaves)? })
    };
    match config.get("name").and_then(Value::as_str).unwrap_or_default() {
        "adafac_mlp" => {
            let h = axis("nn/~/b0", 0)?;
            let config = json!({ "hidden_layers": 1, "hidden_size": h, "input_size": layout::ADAFAC_INPUTS });
            Ok(vec![part("", config, layout::meta_mlp(h))?])
        }
        "celo2" => {
            let h = axis("ff_mod_stack/~/b0", 0)?;
            let mut config = celo2_config();
            config["hidden_size"] = h.into();
            Ok(vec![part("", config, layout::celo2_mlp(h))?])
        }
        "velo" => {
            check_velo(config)?;
            let (h, n) = (axis("lstm_init_state/hidden", 1)?, axis("ff_mod_stack/~/b0", 0)?);
            let mut mlp = velo_mlp_config();
            mlp["param_inits"] = n.into();
            let rnn = json!({
                "input_size": layout::VELO_INPUTS,
                "lstm_hidden_size": h,
                "mix_layers": true,
                "param_inits": n,
            });
            Ok(vec![part("mlp", mlp, layout::velo_mlp(n))?, part("rnn", rnn, layout::velo_rnn(h, n))?])
        }
        other => Err(Error::option(format!(
            "expected an optimizer that PyLO has (adafac_mlp, celo2, velo), got {other:?}"
        ))),
    }
}

/// PyLO's VeLO has no options for what the weights were trained for.
fn check_velo(config: &Value) -> Result<()> {
    for (key, expected) in [("buggedLossFeatures", json!(false)), ("buggedNextLstmState", json!(false))] {
        if config.get(key).is_some_and(|got| *got != expected) {
            return Err(Error::option(format!(
                "expected `{key}` to be {expected} for PyLO, got {}",
                config[key]
            )));
        }
    }
    match config.get("ffMult").and_then(Value::as_f64) {
        Some(got) if got != PYLO_FF_MULT => {
            Err(Error::option(format!("expected `ffMult` to be {PYLO_FF_MULT} for PyLO, got {got}")))
        }
        _ => Ok(()),
    }
}

fn write_module(entries: Vec<Entry>, leaves: &HashMap<&str, &Leaf<'_>>) -> Result<Vec<u8>> {
    let find = |spec: &TensorSpec| match leaves.get(&spec.name[..]) {
        Some(leaf) if leaf.spec.shape == spec.shape && leaf.data.len() == spec.len() => Ok(*leaf),
        Some(leaf) => Err(invalid(format!(
            "expected leaf `{}` to have the shape {:?}, got {:?}",
            spec.name, spec.shape, leaf.spec.shape
        ))),
        None => Err(invalid(format!("expected a leaf `{}`, got none", spec.name))),
    };
    let mut tensors = vec![];
    for Entry { tensor, part } in entries {
        let data = match part {
            Part::Same(spec) => find(&spec)?.data.to_vec(),
            Part::Transposed(specs) => {
                let parts: Vec<_> = specs.iter().map(find).collect::<Result<_>>()?;
                layout::transpose(&parts, &tensor)
            }
            Part::Scratch => vec![0.0; tensor.len()],
        };
        let bytes: Vec<u8> = data.iter().flat_map(|x| x.to_le_bytes()).collect();
        tensors.push((tensor, bytes));
    }
    let mut views = vec![];
    for (tensor, bytes) in &tensors {
        let view = TensorView::new(Dtype::F32, tensor.shape.clone(), bytes).map_err(invalid)?;
        views.push((tensor.name.as_str(), view));
    }
    serialize(views, Some(HashMap::from([("format".into(), "pt".into())]))).map_err(invalid)
}
