//! `adafac_nominal`: [`AdafacMlp`](super::AdafacMlp) with a nominal step and a weight decay beside the learned step, both of
//! whose magnitudes the network may give.
//!
//! p ← p·(1 − weightDecay·e^(expMult·o₃)) − step − nominalLr·e^(expMult·o₂)·ĝ, where step is `adafac_mlp`'s and ĝ the mean
//! over the decays of m·rsqrt(v + 1e-6). Without the controllers o₂ is 1 and o₃ is 0. With the default options it is
//! `adafac_mlp` with two outputs that nothing reads.
//!
//! # References
//! google/learned_optimization, learned_optimizers/adafac_nominal.py, 32186aa (`MLPNomLOpt`). No numbers of that code were
//! compared: an f64 twin only. Differences: those of `adafac_mlp`; one factor for all three exponents; of the nominal
//! directions there is "AdamAggMo" alone, and means of magnitudes over a tensor and scaled learned steps are left out.
//! With [`Scale`](crate::optim::Scale) all three parts are scaled.

use super::adafac_mlp::{Bound, Nominal, cost, state_layout, theta_spec};
use super::engine::nominal::NominalScales;
use crate::error::Result;
use crate::optim::options::options;
use crate::optim::{Config, Cost, GradRange, Needs, Optimizer, Theta, ThetaSpec, Update};
use crate::params::ParamLayout;
use std::sync::Arc;

/// Outputs: direction, magnitude, and the magnitudes of nominal step and decay.
const OUTPUTS: usize = 4;

options! {
    /// `adafac_mlp` with a nominal step and a weight decay beside the learned step; by default they are off.
    pub struct AdafacNominalConfig {
        /// Width of both hidden layers.
        hidden: usize = 4 => Range::integer(1, 1024);
        /// Factor of every step. Too large diverges at the start of meta-training, too small never moves.
        step_mult: f64 = 0.001 => Range::Positive;
        /// Factor inside the exponential that sets a step's magnitude; 0 switches that output off.
        exp_mult: f64 = 0.001 => Range::NonNegative;
        /// Factor of the nominal step, the mean over three decays of m / √(v + 1e-6).
        nominal_lr: f64 = 0.0 => Range::NonNegative;
        /// Share of a parameter that is lost in every step.
        weight_decay: f64 = 0.0 => Range::NonNegative;
        /// Whether the network's third output is the nominal step's magnitude.
        nominal_controller: bool = false => Range::Flag;
        /// Whether the network's fourth output is the decay's magnitude.
        decay_controller: bool = false => Range::Flag;
    }
}

impl Config for AdafacNominalConfig {
    fn build(self) -> Result<Arc<dyn Optimizer>> {
        Ok(Arc::new(AdafacNominal::new(self)))
    }
}

/// The optimizer as an immutable value.
pub struct AdafacNominal {
    config: AdafacNominalConfig,
    theta: ThetaSpec,
}

impl AdafacNominal {
    /// With the given sizes and scales; their ranges are the caller's to check.
    pub fn new(config: AdafacNominalConfig) -> Self {
        let theta = theta_spec(config.hidden, OUTPUTS);
        Self { config, theta }
    }
}

impl Optimizer for AdafacNominal {
    fn theta_spec(&self) -> &ThetaSpec {
        &self.theta
    }

    fn state_layout(&self, params: &ParamLayout) -> Option<ParamLayout> {
        state_layout(params)
    }

    fn bind(&self, theta: Theta, params: &ParamLayout) -> Result<Box<dyn Update>> {
        self.theta.check(&theta)?;
        let c = &self.config;
        let nominal = Nominal {
            scales: NominalScales {
                exp_mult: c.exp_mult as f32,
                step_mult: c.step_mult as f32,
                nominal_lr: c.nominal_lr as f32,
                weight_decay: c.weight_decay as f32,
                has_nominal_magnitude: c.nominal_controller,
                has_decay_magnitude: c.decay_controller,
            },
            is_used: c.nominal_lr > 0.0 || c.weight_decay > 0.0,
        };
        let mults = [c.step_mult, c.exp_mult];
        Ok(Box::new(Bound::new(&self.theta, &theta, params, c.hidden, mults, Some(nominal))))
    }

    fn cost(&self) -> Cost {
        cost(self.config.hidden, OUTPUTS)
    }

    fn needs(&self) -> Needs {
        Needs { grad_range: GradRange::Refused, ..Needs::default() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lopt::{AdafacMlp, AdafacMlpConfig};
    use crate::optim::{Losses, Scale, Step, Tensors, empty_state};
    use crate::params::TensorSpec;
    use crate::rng::{Key, Purpose};
    use crate::simd::{AlignedVec, Cpu, Workers};

    fn normal(key: Key, len: usize) -> Vec<f32> {
        let mut out = vec![0.0; len];
        key.fill_normal(&mut out);
        out
    }

    /// Parameters after some steps.
    fn run(optimizer: &dyn Optimizer, theta: &[f32], layout: &ParamLayout) -> Vec<f32> {
        let key = Key::new(3, Purpose::Unroll);
        let mut params = AlignedVec::zeros(layout.padded_len());
        layout.pack(&normal(key, layout.flat_len()), &mut params).expect("lengths fit");
        let mut state = empty_state(optimizer, layout, 10);
        let mut update = optimizer.bind(theta.into(), layout).expect("theta fits");
        for t in 0..4 {
            let mut grads = AlignedVec::zeros(layout.padded_len());
            layout.pack(&normal(key.fold(t), layout.flat_len()), &mut grads).expect("lengths fit");
            update.step(Step {
                workers: Workers::one(Cpu::detect().expect("a backend")),
                state: state.view(),
                params: Tensors::joint(&mut params),
                grads: Tensors::joint(&mut grads),
                losses: Losses { train: 1.0, valid: None },
                scale: Scale::ONE,
            });
        }
        params.to_vec()
    }

    /// The same bits as `adafac_mlp` with the first two outputs, whatever the others weigh; and others where they are used.
    #[test]
    fn by_default_it_is_adafac_mlp_with_an_unused_head() {
        let layout = ParamLayout::new(vec![
            TensorSpec::new("b", [7]),
            TensorSpec::new("s", []),
            TensorSpec::new("w", [9, 5]),
            TensorSpec::new("x", [16, 3]),
        ]);
        let layout = layout.expect("valid layout");
        let parse =
            |json: &str| -> AdafacNominalConfig { serde_json::from_str(json).expect("valid options") };
        let ours = AdafacNominal::new(parse(r#"{"stepMult":0.1}"#));
        let plain = AdafacMlp::new(AdafacMlpConfig { hidden: 4, step_mult: 0.1, exp_mult: 0.001 });
        let theta: Vec<f32> = normal(Key::new(1, Purpose::ThetaInit), ours.theta.len());
        let mut two = vec![];
        for (leaf, _) in &ours.theta.leaves {
            let values = ours.theta.leaf(&theta, &leaf.name);
            match &leaf.name[..] {
                "nn/~/b2" | "nn/~/w2" => two.extend(values.chunks(OUTPUTS).flat_map(|row| &row[..2])),
                _ => two.extend(values),
            }
        }
        assert_eq!(run(&ours, &theta, &layout), run(&plain, &two, &layout));
        let used = AdafacNominal::new(parse(r#"{"stepMult":0.1,"nominalLr":0.01}"#));
        assert_ne!(run(&used, &theta, &layout), run(&plain, &two, &layout));
    }
}
