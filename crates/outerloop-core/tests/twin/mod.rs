//! A fast optimizer beside its f64 twin: one config builds both, and the fast state is read under the twin's names.
#![allow(dead_code)]

use outerloop_core::optim::{
    Losses, OldParams, Optimizer, OptimizerConfig, OptimizerState, Update, Variant, build_optimizer,
    empty_state,
};
use outerloop_core::params::{ParamLayout, TensorSpec};
use outerloop_core::reference::adafac_mlp::{AdafacMlp, AdafacMlpConfig};
use outerloop_core::reference::adam::{Adam, AdamConfig};
use outerloop_core::reference::celo2::{Celo2, Celo2Config};
use outerloop_core::reference::hierarchical::{Hierarchical, HierarchicalConfig, Variant as TwinVariant};
use outerloop_core::reference::mlp_lopt::{MlpLopt, MlpLoptConfig};
use outerloop_core::reference::old_params::OldParamsMode;
use outerloop_core::reference::sgd::{Sgd, SgdConfig};
use outerloop_core::reference::{Constants, ReferenceOptimizer, Tensor, set_state};
use outerloop_core::simd::{AlignedVec, Cpu};
use regex::Regex;
use std::collections::HashMap;
use std::sync::Arc;

/// The twin of `config`.
pub fn twin_of(config: &OptimizerConfig, theta: &[f32], specs: &[TensorSpec]) -> Box<dyn ReferenceOptimizer> {
    let constants = Constants::Rounded;
    let sgd = |lr: f64, momentum, nesterov| Sgd::new(SgdConfig { lr, momentum, nesterov }, specs, constants);
    match config {
        OptimizerConfig::Sgd { lr } => Box::new(sgd(*lr, None, false)),
        OptimizerConfig::Momentum { lr, momentum, nesterov } => {
            Box::new(sgd(*lr, Some(*momentum), *nesterov))
        }
        &OptimizerConfig::Adam { lr, beta1, beta2, eps, eps_root } => {
            Box::new(Adam::new(AdamConfig { lr, beta1, beta2, eps, eps_root }, specs, constants))
        }
        OptimizerConfig::MlpLopt(c) => {
            let config = MlpLoptConfig { hidden: c.hidden, step_mult: c.step_mult, exp_mult: c.exp_mult };
            Box::new(MlpLopt::new(config, theta, specs, constants).unwrap())
        }
        OptimizerConfig::Celo2(c) => {
            let pattern = c.adam_pattern.as_deref().map(|p| Regex::new(p).unwrap());
            let is_adam = |s: &TensorSpec| pattern.as_ref().is_some_and(|p| p.is_match(&s.name));
            let config = Celo2Config {
                step_mult: c.step_mult,
                exp_mult: c.exp_mult,
                weight_decay: c.weight_decay,
                orthogonalize: c.orthogonalize,
                adam: specs.iter().map(is_adam).collect(),
                adam_b1: c.adam_beta1,
                adam_b2: c.adam_beta2,
                mult_1d: c.adam_mult,
                adam_bias_correction: c.adam_bias_correction,
            };
            Box::new(Celo2::new(config, theta, specs, constants).unwrap())
        }
        OptimizerConfig::AdafacMlp(c) => {
            let config = AdafacMlpConfig { hidden: c.hidden, step_mult: c.step_mult, exp_mult: c.exp_mult };
            Box::new(AdafacMlp::new(config, theta, specs, constants).unwrap())
        }
        OptimizerConfig::Hierarchical(c) => {
            let variant = match c.variant {
                Variant::Library => TwinVariant::Library,
                Variant::Paper => TwinVariant::Paper {
                    old_params: match c.old_params.unwrap_or_default() {
                        OldParams::Snapshot => OldParamsMode::Snapshot,
                        OldParams::Exact => OldParamsMode::Exact,
                    },
                    feature_clip: c.feature_clip.unwrap_or(5.0),
                    train_loss_decay: c.train_loss_decay.unwrap_or(0.9),
                    valid_loss_decay: c.valid_loss_decay.unwrap_or(0.95),
                },
            };
            let config = HierarchicalConfig {
                variant,
                step_mult: c.step_mult,
                exp_mult: c.exp_mult,
                hidden: c.hidden,
                from_mlp: c.from_mlp,
                from_lstm: c.from_lstm,
                lstm_to_ff: c.lstm_to_ff,
                lstm_hidden: c.lstm_hidden,
            };
            Box::new(Hierarchical::new(config, theta, specs, constants).unwrap())
        }
    }
}

/// A fast optimizer with its parameters and state.
pub struct Fast {
    pub optimizer: Arc<dyn Optimizer>,
    pub layout: ParamLayout,
    pub params: AlignedVec,
    pub state: OptimizerState,
    grads: AlignedVec,
    update: Box<dyn Update>,
    state_layout: Option<ParamLayout>,
    cpu: Cpu,
}

impl Fast {
    /// At `params`, `[tensor][element]`, before the first step.
    pub fn new(
        config: &OptimizerConfig,
        theta: &[f32],
        specs: &[TensorSpec],
        params: &[Vec<f32>],
        cpu: Cpu,
    ) -> Self {
        let optimizer = build_optimizer(config).unwrap();
        let layout = ParamLayout::new(specs.to_vec()).unwrap();
        let mut state = empty_state(&*optimizer, &layout);
        let mut update = optimizer.bind(theta, &layout).unwrap();
        let zeros = AlignedVec::zeros(layout.padded_len());
        let mut padded = zeros.clone();
        layout.pack(&params.concat(), &mut padded).unwrap();
        update.init(&padded, &mut state);
        let state_layout = optimizer.state_layout(&layout);
        Self { optimizer, params: padded, state, grads: zeros, update, state_layout, layout, cpu }
    }

    pub fn step(&mut self, grads: &[Vec<f32>], train: f32, valid: Option<f32>) {
        self.layout.pack(&grads.concat(), &mut self.grads).unwrap();
        self.update.step(
            self.cpu,
            &mut self.state,
            &mut self.params,
            &mut self.grads,
            Losses { train, valid },
        );
    }

    /// Parameters, widened, under their names.
    pub fn tensors(&self) -> Vec<Tensor> {
        let tensor = |(i, s): (usize, &TensorSpec)| {
            Tensor::new(&s.name, s.shape.clone(), widen(&self.params[self.layout.range(i)]))
        };
        self.layout.specs().iter().enumerate().map(tensor).collect()
    }

    /// Whether every padding float of the parameters is zero.
    pub fn gaps_are_zero(&self) -> bool {
        (0..self.layout.num_tensors()).all(|i| {
            self.params[self.layout.range(i).end..self.layout.padded_range(i).end].iter().all(|&x| x == 0.0)
        })
    }

    /// The whole state under the twin's names.
    pub fn twin_state(&self, config: &OptimizerConfig) -> Vec<Tensor> {
        let mut arrays = HashMap::new();
        if let Some(layout) = &self.state_layout {
            for (i, spec) in layout.specs().iter().enumerate() {
                let mut values = widen(&self.state.data[layout.range(i)]);
                if let [rows, cols] = spec.shape[..] {
                    values = (0..rows * cols).map(|i| values[i % rows * cols + i / rows]).collect();
                }
                arrays.insert(spec.name.clone(), values);
            }
        }
        let t = self.state.iteration;
        let mut out = vec![Tensor::scalar("iteration", t as f64)];
        let mut put = |name: String, data: Vec<f64>| out.push(Tensor::new(name, [data.len()], data));
        // Decays are separate arrays here and the last axis there.
        let interleaved = |name: &str, of: &str, decays: usize| -> Option<Vec<f64>> {
            let arrays: Option<Vec<_>> =
                (0..decays).map(|k| arrays.get(&format!("{name}{k}/{of}"))).collect();
            let arrays = arrays?;
            Some((0..arrays[0].len()).flat_map(|i| arrays.iter().map(move |a| a[i])).collect())
        };
        for (i, spec) in self.layout.specs().iter().enumerate() {
            let name = &spec.name;
            match config {
                OptimizerConfig::Sgd { .. } => {}
                OptimizerConfig::Momentum { .. } => {
                    put(format!("trace|{name}"), arrays["trace"][self.layout.range(i)].to_vec())
                }
                OptimizerConfig::Adam { .. } => {
                    put(format!("mu|{name}"), arrays["m"][self.layout.range(i)].to_vec());
                    put(format!("nu|{name}"), arrays["v"][self.layout.range(i)].to_vec());
                }
                OptimizerConfig::MlpLopt(_) => {
                    put(format!("rolling_features|m|{name}"), interleaved("momentum", name, 6).unwrap());
                }
                OptimizerConfig::Celo2(_) => {
                    let momentum =
                        interleaved("momentum", name, 3).or_else(|| interleaved("momentum", name, 1));
                    put(format!("mom_rolling|m|{name}"), momentum.unwrap());
                    put(format!("rms_rolling|rms|{name}"), arrays[&format!("square0/{name}")].clone());
                    for (ours, theirs) in [("row", "v_row"), ("col", "v_col"), ("diagonal", "v_diag")] {
                        if let Some(data) = interleaved(ours, name, 3) {
                            put(format!("fac_rolling|{theirs}|{name}"), data);
                        }
                    }
                }
                OptimizerConfig::AdafacMlp(_) => {
                    put(format!("mom_rolling|m|{name}"), interleaved("momentum", name, 3).unwrap());
                    put(format!("rms_rolling|rms|{name}"), arrays[&format!("square/{name}")].clone());
                    for (ours, theirs) in [("row", "v_row"), ("col", "v_col"), ("diagonal", "v_diag")] {
                        if let Some(data) = interleaved(ours, name, 3) {
                            put(format!("fac_rolling_features|{theirs}|{name}"), data);
                        }
                    }
                }
                OptimizerConfig::Hierarchical(c) => {
                    put(format!("mom_rolling|m|{name}"), interleaved("momentum", name, 5).unwrap());
                    put(format!("rms_rolling|rms|{name}"), interleaved("square", name, 5).unwrap());
                    put(
                        format!("from_mlp|{name}"),
                        arrays["from_mlp"][i * c.from_mlp..][..c.from_mlp].to_vec(),
                    );
                    let old = |copy: u64| arrays[&format!("old{copy}/{name}")].clone();
                    match (c.variant, c.old_params.unwrap_or_default()) {
                        (Variant::Library, _) => {}
                        // The copies take turns; the one written at the last multiple of 100 is the newer.
                        (Variant::Paper, OldParams::Snapshot) => {
                            let turn = t.saturating_sub(1) / 100 % 2;
                            put(format!("old_params|newer|{name}"), old(turn));
                            put(format!("old_params|older|{name}"), old(1 - turn));
                        }
                        // Step s is in place s mod 101 here, in place s mod 100 there. Before step 100 the other
                        // places hold the first parameters, as place 100 here does until then.
                        (Variant::Paper, OldParams::Exact) => {
                            let mut ring = vec![old(100); 100];
                            for s in t.saturating_sub(100)..t {
                                ring[(s % 100) as usize] = old(s % 101);
                            }
                            put(format!("old_params|ring|{name}"), ring.concat());
                        }
                    }
                }
            }
        }
        if let OptimizerConfig::Hierarchical(_) = config {
            for (ours, theirs) in [
                ("from_lstm", "from_lstm"),
                ("hidden", "lstm_hidden_state|hidden"),
                ("cell", "lstm_hidden_state|cell"),
            ] {
                put(theirs.into(), arrays[ours].clone());
            }
            for (ours, theirs, items) in [
                ("train_normalizer", "train_loss_accum", &["mean", "var", "updates"][..]),
                ("valid_normalizer", "valid_loss_accum", &["mean", "var", "updates"]),
                ("clipper", "dynamic_clip", &["iteration", "value"]),
            ] {
                for (item, &x) in items.iter().zip(&arrays[ours]) {
                    put(format!("{theirs}|{item}"), vec![x]);
                }
            }
        }
        out
    }

    /// Copies parameters and state into the twin.
    pub fn copy_to(&self, config: &OptimizerConfig, twin: &mut dyn ReferenceOptimizer) -> Vec<Tensor> {
        set_state(twin, &self.twin_state(config)).unwrap();
        self.tensors()
    }
}

pub fn widen(x: &[f32]) -> Vec<f64> {
    x.iter().map(|&x| f64::from(x)).collect()
}

/// `data` as twin tensors.
pub fn tensors(specs: &[TensorSpec], data: &[Vec<f32>]) -> Vec<Tensor> {
    specs.iter().zip(data).map(|(s, d)| Tensor::new(&s.name, s.shape.clone(), widen(d))).collect()
}

/// The optimizer config of a JSON text.
pub fn config(json: &str) -> OptimizerConfig {
    OptimizerConfig::from_json(json).unwrap()
}
