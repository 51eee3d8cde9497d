//! The fast state under the names of the twin, which are those of the published code.
#![allow(clippy::unwrap_used, reason = "a test's states are complete")]

use super::velo::shared_state;
use super::{Fast, widen};
use outerloop_core::lopt::{HierarchicalConfig, OldParams, Variant};
use outerloop_core::reference::Tensor;
use outerloop_core::zoo::OptimizerConfig;
use std::collections::HashMap;

/// Arrays of a tensor and the twin's names of them. Decays are separate arrays here (`momentum0`, …) and the last axis
/// there.
fn names(config: &OptimizerConfig) -> &'static [(&'static str, &'static str)] {
    match config {
        OptimizerConfig::MlpLopt(_) => &[("momentum", "rolling_features|m")],
        OptimizerConfig::Celo2(_) | OptimizerConfig::Velo(_) | OptimizerConfig::Celo(_) => &[
            ("momentum", "mom_rolling|m"),
            ("square", "rms_rolling|rms"),
            ("row", "fac_rolling|v_row"),
            ("col", "fac_rolling|v_col"),
            ("diagonal", "fac_rolling|v_diag"),
        ],
        OptimizerConfig::AdafacMlp(_) | OptimizerConfig::AdafacNominal(_) => &[
            ("momentum", "mom_rolling|m"),
            ("square", "rms_rolling|rms"),
            ("row", "fac_rolling_features|v_row"),
            ("col", "fac_rolling_features|v_col"),
            ("diagonal", "fac_rolling_features|v_diag"),
        ],
        OptimizerConfig::Hierarchical(_) | OptimizerConfig::RmsMlp(_) => {
            &[("momentum", "mom_rolling|m"), ("square", "rms_rolling|rms")]
        }
        _ => &[],
    }
}

/// The arrays of the state by name, matrices as they are in the parameters.
type Arrays = HashMap<String, Vec<f64>>;

impl Fast {
    /// The whole state under the twin's names. An array over all parameters is cut into `array|tensor`.
    pub fn twin_state(&self, config: &OptimizerConfig) -> Vec<Tensor> {
        let arrays = self.arrays();
        let mut out = vec![Tensor::scalar("iteration", self.state.iteration as f64)];
        out.push(Tensor::scalar("num_steps", self.state.num_steps as f64));
        let mut put = |name: String, data: Vec<f64>| out.push(Tensor::new(name, [data.len()], data));
        for (i, spec) in self.layout.specs().iter().enumerate() {
            for (name, array) in &arrays {
                if array.len() == self.layout.padded_len() && !name.contains('/') {
                    put(format!("{name}|{}", spec.name), array[self.layout.range(i)].to_vec());
                }
            }
            for (ours, theirs) in names(config) {
                if let Some(data) = of_tensor(&arrays, ours, &spec.name) {
                    put(format!("{theirs}|{}", spec.name), data);
                }
            }
        }
        if let OptimizerConfig::NnAdam(_) = config {
            for (name, data) in self.nn_adam(&arrays) {
                put(name, data);
            }
        }
        for (name, data) in super::tensorwise::states(config, self.layout.specs(), &arrays) {
            put(name, data);
        }
        if let OptimizerConfig::Hierarchical(c) = config {
            for (name, data) in self.hierarchical(c, &arrays) {
                put(name, data);
            }
        }
        let copies = match config {
            OptimizerConfig::Velo(_) => 1,
            OptimizerConfig::Celo(_) | OptimizerConfig::CeloAdam(_) => self.layout.num_tensors(),
            _ => return out,
        };
        out.extend(shared_state(&arrays, copies, self.state.iteration));
        out
    }

    fn arrays(&self) -> Arrays {
        let mut arrays = HashMap::new();
        for (i, spec) in self.state_layout.iter().flat_map(|layout| layout.specs().iter().enumerate()) {
            let layout = self.state_layout.as_ref().unwrap();
            let mut values = widen(&self.state.data[layout.range(i)]);
            if let [rows, cols] = spec.shape[..] {
                values = (0..rows * cols).map(|i| values[i % rows * cols + i / rows]).collect();
            }
            arrays.insert(spec.name.clone(), values);
        }
        arrays
    }

    /// Constants are arrays over the tensors here.
    fn nn_adam(&self, arrays: &Arrays) -> Vec<(String, Vec<f64>)> {
        let mut out = vec![];
        for name in ["lr", "beta1", "beta2", "epsilon"].map(|name| format!("per_layer_{name}")) {
            for (spec, &x) in self.layout.specs().iter().zip(&arrays[&name]) {
                out.push((format!("{name}|{}", spec.name), vec![x]));
            }
        }
        for name in ["lstm_hidden_state|hidden", "lstm_hidden_state|cell"] {
            out.push((name.into(), arrays[name].clone()));
        }
        out
    }

    fn hierarchical(&self, c: &HierarchicalConfig, arrays: &Arrays) -> Vec<(String, Vec<f64>)> {
        let (mut out, t) = (vec![], self.state.iteration);
        for (i, spec) in self.layout.specs().iter().enumerate() {
            let name = &spec.name;
            let from_mlp = &arrays["from_mlp"][i * c.from_mlp..][..c.from_mlp];
            out.push((format!("from_mlp|{name}"), from_mlp.to_vec()));
            let old = |copy: u64| arrays[&format!("old{copy}/{name}")].clone();
            match (c.variant, c.old_params.unwrap_or_default()) {
                (Variant::Library, _) => {}
                // The copies take turns; the one written at the last multiple of 100 is the newer.
                (Variant::Paper, OldParams::Snapshot) => {
                    let turn = t.saturating_sub(1) / 100 % 2;
                    out.push((format!("old_params|newer|{name}"), old(turn)));
                    out.push((format!("old_params|older|{name}"), old(1 - turn)));
                }
                // Step s is in place s mod 101 here, in place s mod 100 there. Before step 100 the other places hold the
                // first parameters, as place 100 here does until then.
                (Variant::Paper, OldParams::Exact) => {
                    let mut ring = vec![old(100); 100];
                    for s in t.saturating_sub(100)..t {
                        ring[(s % 100) as usize] = old(s % 101);
                    }
                    out.push((format!("old_params|ring|{name}"), ring.concat()));
                }
            }
        }
        for (ours, theirs) in [
            ("from_lstm", "from_lstm"),
            ("hidden", "lstm_hidden_state|hidden"),
            ("cell", "lstm_hidden_state|cell"),
        ] {
            out.push((theirs.into(), arrays[ours].clone()));
        }
        for (ours, theirs, items) in [
            ("train_normalizer", "train_loss_accum", &["mean", "var", "updates"][..]),
            ("valid_normalizer", "valid_loss_accum", &["mean", "var", "updates"]),
            ("clipper", "dynamic_clip", &["iteration", "value"]),
        ] {
            for (item, &x) in items.iter().zip(&arrays[ours]) {
                out.push((format!("{theirs}|{item}"), vec![x]));
            }
        }
        out
    }
}

/// A tensor's array, or its arrays `name0`, `name1`, … interleaved.
fn of_tensor(arrays: &Arrays, name: &str, tensor: &str) -> Option<Vec<f64>> {
    let numbered = (0..).map_while(|k| arrays.get(&format!("{name}{k}/{tensor}")));
    let all: Vec<_> = arrays.get(&format!("{name}/{tensor}")).into_iter().chain(numbered).collect();
    let len = all.first()?.len();
    Some((0..len).flat_map(|i| all.iter().map(move |a| a[i])).collect())
}
