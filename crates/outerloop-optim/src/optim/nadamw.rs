//! NAdamW: Adam with Nesterov's momentum, two ways to move weights and a cosine schedule. With g' = g − l2·p,
//! m ← β₁m + (1−β₁)g', v ← β₂v + (1−β₂)g'², a = lr_t·√(1−β₂ᵗ)/(1−β₁ᵗ) and n = β₁m + (1−β₁)g' (n = m without Nesterov):
//! p ← p − a·n/(√v + eps) − a·wd·p.
//!
//! # References
//! Dozat 2016, "Incorporating Nesterov Momentum into Adam"; Metz et al. 2020, arXiv:2002.11887, for this form and the
//! list of its 1,000 settings. As `optimizers/nadamw.py` of google/learned_optimization at 32186aa, which the defaults
//! follow in three oddities:
//! - the l2 term pushes weights away from 0 (`l2_fixed` pulls them);
//! - a warm-up lasts until the larger of `warmup_fraction` and `constant_fraction` (`warmup_min`: the smaller, as in
//!   google-research/opt_list for TensorFlow);
//! - eps is beside the root before bias correction, and the decay is bias corrected too.
//!
//! `array_betas` says where 1 − β comes from, 1.3e-5 of it at β₂ = 0.999: in opt_list decays are f32 arrays, elsewhere
//! literals. The published switch for bias correction has no effect there and is absent here.

use super::cosine::CosineSchedule;
use super::elementwise::{Elementwise, ElementwiseOptimizer, MAX_ARRAYS, Rule};
use super::mean_decay::MeanDecay;
use super::options::options;
use super::{Config, GradRange, Optimizer};
use crate::error::Result;
use crate::simd::Simd;
use std::sync::Arc;

options! {
    /// NAdamW with a cosine schedule, as google/learned_optimization has it (Metz et al. 2020, arXiv:2002.11887).
    /// `optList` gives the 1,000 settings that were searched for it.
    pub struct NAdamW {
        /// Learning rate.
        lr: f64 => Range::Positive;
        /// Decay of the mean.
        beta1: f64 = 0.9 => Range::Fraction;
        /// Decay of the mean square.
        beta2: f64 = 0.999 => Range::Fraction;
        /// Added to √v before bias correction.
        eps: f64 = 1e-8 => Range::NonNegative;
        /// Share of the bias-corrected rate by which weights shrink.
        weight_decay: f64 = 0.0 => Range::NonNegative;
        /// Factor of the weights that the gradient loses: as published, it pushes them away from 0; see `l2Fixed`.
        l2: f64 = 0.0 => Range::NonNegative;
        /// Look-ahead form of the mean.
        nesterov: bool = true => Range::Flag;
        /// The last rate in units of `lr`, reached by half a cosine; at 1 there is no cosine.
        min_lr_mult: f64 = 1.0 => Range::NonNegative;
        /// Share of the run after which the rate begins to fall.
        constant_fraction: f64 = 0.0 => Range::Fraction;
        /// Share of the run during which the rate rises from 0, if it is more than `constantFraction`; 0: it does not
        /// rise.
        warmup_fraction: f64 = 0.0 => Range::Probability;
        /// Whether `l2` pulls weights to 0.
        l2_fixed: bool = false => Range::Flag;
        /// Whether a warm-up lasts for the smaller of both fractions instead of the larger.
        warmup_min: bool = false => Range::Flag;
        /// Whether 1 − β is taken in single precision, as in runs of opt_list.
        array_betas: bool = false => Range::Flag;
    }
}

impl NAdamW {
    fn schedule(&self) -> CosineSchedule {
        CosineSchedule {
            lr: self.lr as f32,
            min_mult: self.min_lr_mult as f32,
            constant_fraction: self.constant_fraction as f32,
            warmup_fraction: self.warmup_fraction as f32,
            warmup_min: self.warmup_min,
        }
    }
}

impl Config for NAdamW {
    fn build(self) -> Result<Arc<dyn Optimizer>> {
        Ok(Arc::new(if self.schedule().is_constant() {
            ElementwiseOptimizer::new(self)
        } else {
            ElementwiseOptimizer::with_num_steps(self)
        }))
    }
}

impl Rule for NAdamW {
    type Kernel = LookAhead;
    const STATE: &'static [&'static str] = &["grad_acc", "grad_sqr_acc"];
    const GRAD_RANGE: GradRange = GradRange::SQUARES;

    fn first_state(&self) -> [f32; MAX_ARRAYS] {
        [0.0; MAX_ARRAYS]
    }

    fn at(&self, t: u64, num_steps: u64) -> (f32, LookAhead) {
        let decays = [self.beta1, self.beta2].map(MeanDecay::new);
        let [first, second] = decays.map(|decay| decay.powers(t as f64)[1]);
        let rate = (self.schedule().at(t - 1, num_steps) * second.sqrt() / first) as f32;
        let complement =
            |decay: MeanDecay| if self.array_betas { 1.0 - decay.beta() } else { decay.complement() };
        let kernel = LookAhead {
            beta: decays.map(MeanDecay::beta),
            complement: decays.map(complement),
            eps: self.eps as f32,
            weight_decay: self.weight_decay as f32,
            l2: if self.l2_fixed { -self.l2 as f32 } else { self.l2 as f32 },
            is_nesterov: self.nesterov,
        };
        (rate, kernel)
    }
}

/// n/(√v + eps) + wd·p.
#[derive(Clone, Copy)]
pub(crate) struct LookAhead {
    beta: [f32; 2],
    /// 1 − β.
    complement: [f32; 2],
    eps: f32,
    weight_decay: f32,
    l2: f32,
    is_nesterov: bool,
}

impl Elementwise for LookAhead {
    const ARRAYS: usize = 2;

    #[inline(always)]
    fn direction<S: Simd>(self, s: S, p: S::V, g: S::V, state: &mut [S::V; MAX_ARRAYS]) -> S::V {
        let [b1, b2] = [s.splat(self.beta[0]), s.splat(self.beta[1])];
        let [a1, a2] = [s.splat(self.complement[0]), s.splat(self.complement[1])];
        let g = s.fnma(s.splat(self.l2), p, g);
        state[0] = s.fma(b1, state[0], s.mul(a1, g));
        state[1] = s.fma(b2, state[1], s.mul(a2, s.mul(g, g)));
        let numerator = if self.is_nesterov { s.fma(b1, state[0], s.mul(a1, g)) } else { state[0] };
        let root = s.add(s.sqrt(state[1]), s.splat(self.eps));
        let step = s.div(numerator, root);
        // 0/0 where eps is 0 and nothing ever moved (gaps of the layout among them): no step.
        let step = s.select(s.gt(root, s.splat(0.0)), step, s.sub(root, root));
        s.fma(s.splat(self.weight_decay), p, step)
    }
}
