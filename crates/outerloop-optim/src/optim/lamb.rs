//! LAMB: r = m̂/(√(v̂ + eps_root) + eps) + wd·p with Adam's moments; p ← p − lr·(‖p‖/‖r‖)·r, tensor by tensor.
//!
//! # References
//! You et al. 2019, arXiv:1904.00962. As optax's `lamb` (google-deepmind/optax, 0.2.4): the ratio is 1 where either norm
//! is 0, and 1−β is rounded to f32 after the subtraction in f64. No differences but rounding.

use super::adam::{Adam, Moments};
use super::elementwise::{Elementwise, MAX_ARRAYS, Rule};
use super::options::options;
use super::tensorwise::{Plain, TensorRule, TensorwiseOptimizer, trust_ratio};
use super::{Config, Optimizer};
use crate::error::Result;
use crate::simd::Simd;
use std::sync::Arc;

options! {
    /// LAMB (You et al. 2019, arXiv:1904.00962): r = Adam's direction + weightDecay·p; p ← p − lr·(‖p‖/‖r‖)·r for
    /// every tensor.
    pub struct Lamb {
        /// Length of a step relative to that of the parameters.
        lr: f64 => Range::Positive;
        /// Decay of the mean.
        beta1: f64 = 0.9 => Range::Fraction;
        /// Decay of the mean square.
        beta2: f64 = 0.999 => Range::Fraction;
        /// Added to the root.
        eps: f64 = 1e-6 => Range::NonNegative;
        /// Added inside the root.
        eps_root: f64 = 0.0 => Range::NonNegative;
        /// Factor of the parameters in the direction.
        weight_decay: f64 = 0.0 => Range::NonNegative;
    }
}

impl Config for Lamb {
    fn build(self) -> Result<Arc<dyn Optimizer>> {
        Ok(Arc::new(TensorwiseOptimizer::new(self)))
    }
}

impl TensorRule for Lamb {
    type Direction = DecayedMoments;
    type Last = Plain;
    const STATE: &'static [&'static str] = &["mu", "nu"];

    fn direction(&self, t: u64) -> DecayedMoments {
        let Self { beta1, beta2, eps, eps_root, weight_decay, .. } = *self;
        let (_, moments) = Adam { lr: 1.0, beta1, beta2, eps, eps_root }.at(t, 0);
        DecayedMoments { moments, decay: weight_decay as f32 }
    }

    fn last(&self, norms: [f32; 2]) -> (f32, Plain) {
        (self.lr as f32 * trust_ratio(norms, norms[0] / norms[1]), Plain)
    }
}

/// Adam's direction + decay·p.
#[derive(Clone, Copy)]
pub(crate) struct DecayedMoments {
    pub(crate) moments: Moments,
    pub(crate) decay: f32,
}

impl Elementwise for DecayedMoments {
    const ARRAYS: usize = Moments::ARRAYS;

    #[inline(always)]
    fn direction<S: Simd>(self, s: S, p: S::V, g: S::V, state: &mut [S::V; MAX_ARRAYS]) -> S::V {
        s.fma(s.splat(self.decay), p, self.moments.direction(s, p, g, state))
    }
}
