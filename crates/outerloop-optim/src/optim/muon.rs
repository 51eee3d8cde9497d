//! Muon: orthogonalised momentum for matrices, Adam for the rest. With m ← β·m + (1 − β)·g and d made of m as the
//! dialect says: p ← p − lr·(√max(1, cols/rows)·NewtonSchulz(d) + wd·p).
//!
//! | dialect | `celo2` | `optax` |
//! |---|---|---|
//! | direction, update t = 1, 2, … | m/(1 − βᵗ) | Nesterov: β·m/(1 − βᵗ⁺¹) + (1 − β)·g/(1 − βᵗ) |
//! | tensors of rank above 2 | matrix by matrix, over the last two axes | Adam |
//! | Adam's mean, likewise | m/(1 − β₁ᵗ) | Nesterov: β₁·m/(1 − β₁ᵗ⁺¹) + (1 − β₁)·g/(1 − β₁ᵗ) |
//!
//! In both dialects tensors of rank below 2 and those whose name `adamPattern` finds take Adam with bias correction and
//! decoupled decay of weights.
//!
//! # References
//! Jordan et al. 2024, kellerjordan.github.io/posts/muon. `optax`: google-deepmind/optax 0.2.8, contrib/_muon.py, whose
//! matrices are [in, out]; before 0.2.5 its Adam had no Nesterov. `celo2`: the pre-training harness of Moudgil et al. 2026, arXiv:2602.19142, which decays weights of
//! tensors under Adam by 1e-4 (`adamWeightDecay`), and none here unless asked. Differences: a default of `adamPattern` in
//! `optax`, which has none (`null`); vectors are not orthogonalised in `celo2`, whose model has none; 1 − β is rounded
//! to f32 after the subtraction in f64.

use super::adam::{Adam, Moments};
use super::elementwise::{Directions, Elementwise, MAX_ARRAYS, Rule, Sweep};
use super::lamb::DecayedMoments;
use super::mean_decay::MeanDecay;
use super::newton_schulz::NewtonSchulz;
use super::options::{checked_elsewhere, options};
use super::squares::{norm_of, sum_squares};
use super::tensorwise::Decayed;
use super::{
    Config, Cost, GradRange, Needs, Optimizer, Overwrites, StateMut, Step, Theta, ThetaSpec, Update,
};
use crate::error::Result;
use crate::params::{ALIGN, ParamLayout, TensorSpec};
use crate::simd::Simd;
use regex::Regex;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::Arc;

/// Whose Muon.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MuonDialect {
    /// Of Celo2's baselines.
    Celo2,
    /// Of optax.
    Optax,
}

checked_elsewhere!(MuonDialect);

options! {
    /// Muon (Jordan et al. 2024): m ← beta·m + (1 − beta)·g; p ← p − lr·(√max(1, cols/rows)·NewtonSchulz(m̂) +
    /// weightDecay·p) for matrices, with bias-corrected m̂. Tensors of rank below 2 take Adam.
    pub struct Muon {
        /// `celo2`: without Nesterov, and tensors of rank above 2 matrix by matrix over their last two axes. `optax`:
        /// with Nesterov, and tensors of rank above 2 under Adam.
        dialect: MuonDialect => Range::choice(&["celo2", "optax"]);
        /// Learning rate of matrices.
        lr: f64 => Range::Positive;
        /// Decay of the mean of gradients.
        beta: f64 = 0.95 => Range::Fraction;
        /// Decay of matrices, in units of lr.
        weight_decay: f64 = 0.0 => Range::NonNegative;
        /// Matrices whose name this regular expression finds take Adam too; null: none.
        adam_pattern: Option<String> = Some("embed".into()) => Range::Pattern;
        /// Learning rate of tensors under Adam; null: lr.
        adam_lr: Option<f64> = None => Range::Positive;
        /// Decay of Adam's mean.
        adam_beta1: f64 = 0.9 => Range::Fraction;
        /// Decay of Adam's mean square.
        adam_beta2: f64 = 0.999 => Range::Fraction;
        /// Added to Adam's root.
        adam_eps: f64 = 1e-8 => Range::NonNegative;
        /// Decay of tensors under Adam, in units of their learning rate.
        adam_weight_decay: f64 = 0.0 => Range::NonNegative;
    }
}

impl Config for Muon {
    fn build(self) -> Result<Arc<dyn Optimizer>> {
        // A wrong pattern was refused before.
        let adam = self.adam_pattern.as_deref().and_then(|p| Regex::new(p).ok());
        Ok(Arc::new(MuonOptimizer { config: self, adam, theta: ThetaSpec::default() }))
    }
}

struct MuonOptimizer {
    config: Muon,
    adam: Option<Regex>,
    theta: ThetaSpec,
}

impl MuonOptimizer {
    /// Rows and columns of the matrices that a tensor consists of; `None` if it takes Adam.
    fn matrix(&self, spec: &TensorSpec) -> Option<[usize; 2]> {
        let is_adam = self.adam.as_ref().is_some_and(|pattern| pattern.is_match(&spec.name));
        match (&spec.shape[..], self.config.dialect) {
            _ if is_adam => None,
            (&[rows, cols], _) | (&[.., rows, cols], MuonDialect::Celo2) => Some([rows, cols]),
            _ => None,
        }
    }
}

impl Optimizer for MuonOptimizer {
    fn theta_spec(&self) -> &ThetaSpec {
        &self.theta
    }

    fn state_layout(&self, params: &ParamLayout) -> Option<ParamLayout> {
        let arrays = |spec: &TensorSpec| {
            let names = if self.matrix(spec).is_some() { &["mu"][..] } else { &["mu", "nu"] };
            let array = |name: &&str| TensorSpec::new(format!("{name}/{}", spec.name), [spec.len()]);
            names.iter().map(array).collect::<Vec<_>>()
        };
        ParamLayout::new(params.specs().iter().flat_map(arrays).collect()).ok()
    }

    fn bind(&self, theta: Theta, params: &ParamLayout) -> Result<Box<dyn Update>> {
        self.theta.check(&theta)?;
        let mut at = 0;
        let tensors = params.specs().iter().enumerate().map(|(i, spec)| {
            let (start, matrix) = (at, self.matrix(spec));
            at += spec.len().next_multiple_of(ALIGN) * if matrix.is_some() { 1 } else { 2 };
            Tensor { len: spec.len(), params: params.padded_range(i), state: start..at, matrix }
        });
        let tensors: Vec<_> = tensors.collect();
        let newton_schulz = NewtonSchulz::new(tensors.iter().filter_map(|t| t.matrix));
        Ok(Box::new(Bound { config: self.config.clone(), tensors, newton_schulz }))
    }

    fn cost(&self) -> Cost {
        Cost { state_floats: 1, macs: 0 }
    }

    fn needs(&self) -> Needs {
        let grad_range = GradRange::SQUARES;
        Needs { overwrites_grads: Overwrites::Always, grad_range, ..Needs::default() }
    }
}

struct Tensor {
    len: usize,
    params: Range<usize>,
    state: Range<usize>,
    matrix: Option<[usize; 2]>,
}

struct Bound {
    config: Muon,
    tensors: Vec<Tensor>,
    newton_schulz: NewtonSchulz,
}

impl Update for Bound {
    fn init(&mut self, _: &[f32], _: StateMut<'_>) {}

    fn step(&mut self, step: Step<'_>) {
        let Step { workers, state, mut params, mut grads, scale, .. } = step;
        *state.iteration += 1;
        let (t, config) = (*state.iteration, &self.config);
        let adam_lr = config.adam_lr.unwrap_or(config.lr) as f32;
        let (_, moments) = Adam {
            lr: 1.0,
            beta1: config.adam_beta1,
            beta2: config.adam_beta2,
            eps: config.adam_eps,
            eps_root: 0.0,
        }
        .at(t, 0);
        let adam_decay = config.adam_weight_decay as f32;
        let [momentum, adam_mean] =
            [config.beta, config.adam_beta1].map(|beta| Momentum::new(config.dialect, beta, t));
        for (i, tensor) in self.tensors.iter().enumerate() {
            let (p, g) = (params.get(i, &tensor.params), grads.get(i, &tensor.params));
            let (len, state) = (p.len(), &mut state.data[tensor.state.clone()]);
            let Some([rows, cols]) = tensor.matrix else {
                let rate = adam_lr * scale.of(i);
                match config.dialect {
                    MuonDialect::Celo2 => {
                        let kernel = DecayedMoments { moments, decay: adam_decay };
                        Sweep::new(kernel, p, g, state, len).run(workers, rate);
                    }
                    MuonDialect::Optax => {
                        let kernel = NesterovAdam { mean: adam_mean, moments, decay: adam_decay };
                        Sweep::new(kernel, p, g, state, len).run(workers, rate);
                    }
                }
                continue;
            };
            Directions::new(momentum, p, g, state, len).run(workers);
            for matrix in g[..tensor.len].chunks_exact_mut(rows * cols) {
                let norm = norm_of(sum_squares(workers.cpu(), matrix));
                self.newton_schulz.run(workers.cpu(), matrix, [rows, cols], norm);
            }
            let factor = (cols as f32 / rows as f32).max(1.0).sqrt();
            let kernel = Decayed { factor, decay: config.weight_decay as f32 };
            Sweep::new(kernel, p, g, &mut [], len).run(workers, config.lr as f32 * scale.of(i));
        }
    }
}

/// m ← β·m + (1 − β)·g; `of_mean`·m + `of_grad`·g.
#[derive(Clone, Copy)]
struct Momentum {
    beta: f32,
    complement: f32,
    of_mean: f32,
    of_grad: f32,
}

impl Momentum {
    fn new(dialect: MuonDialect, beta: f64, t: u64) -> Self {
        let decay = MeanDecay::new(beta);
        let (beta, complement) = (decay.beta(), decay.complement());
        let rest = |t: u64| decay.powers(t as f64)[1] as f32;
        let (of_mean, of_grad) = match dialect {
            MuonDialect::Celo2 => (1.0 / rest(t), 0.0),
            MuonDialect::Optax => (beta / rest(t + 1), complement / rest(t)),
        };
        Self { beta, complement, of_mean, of_grad }
    }
}

impl Elementwise for Momentum {
    const ARRAYS: usize = 1;

    #[inline(always)]
    fn direction<S: Simd>(self, s: S, _: S::V, g: S::V, state: &mut [S::V; MAX_ARRAYS]) -> S::V {
        state[0] = s.fma(s.splat(self.beta), state[0], s.mul(s.splat(self.complement), g));
        s.fma(s.splat(self.of_mean), state[0], s.mul(s.splat(self.of_grad), g))
    }
}

/// Adam's direction with the mean that [`Momentum`] makes, + decay·p.
#[derive(Clone, Copy)]
struct NesterovAdam {
    mean: Momentum,
    moments: Moments,
    decay: f32,
}

impl Elementwise for NesterovAdam {
    const ARRAYS: usize = Moments::ARRAYS;

    #[inline(always)]
    fn direction<S: Simd>(self, s: S, p: S::V, g: S::V, state: &mut [S::V; MAX_ARRAYS]) -> S::V {
        let mean = self.mean.direction(s, p, g, state);
        let Moments { beta: [_, beta], complement: [_, complement], .. } = self.moments;
        state[1] = s.fma(s.splat(beta), state[1], s.mul(s.splat(complement), s.mul(g, g)));
        // The mean is corrected.
        let moments = Moments { correction: [1.0, self.moments.correction[1]], ..self.moments };
        s.fma(s.splat(self.decay), p, moments.step(s, mean, state[1]))
    }
}
