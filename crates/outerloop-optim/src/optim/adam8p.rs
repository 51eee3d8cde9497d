//! TaskSet's Adam with eight hyperparameters: Adam on the loss + l2·Σp² + l1·Σ|p|, with a rate that falls. After s updates
//! lr_s = lr·max(1 − linear_decay·s, 0)·exp(−exponential_decay·s), and p ← p − lr_s·m̂/(√(v̂ + 1e-10) + eps).
//!
//! # References
//! Metz et al. 2020, "Using a thousand optimization tasks to learn hyperparameter search strategies", arXiv:2002.11887, and
//! google-research/task_set. Its six-parameter family is `l1: 0, l2: 0, rescale_time: true`: there s is counted in units
//! of a ten-thousandth of the run, while the eight-parameter factory never passes the length of the run on. Its one- and
//! four-parameter families (Adam with eps beside the uncorrected root) are NAdamW without Nesterov, decay and schedule.
//! No published numbers are at hand: judged by the f64 twin alone.

use super::elementwise::{Elementwise, ElementwiseOptimizer, MAX_ARRAYS, Rule, sign};
use super::options::options;
use super::{Adam, Config, GradRange, Moments, Optimizer};
use crate::error::Result;
use crate::simd::Simd;
use std::sync::Arc;

/// Added inside the root.
const EPS_ROOT: f64 = 1e-10;
/// Steps of the runs that the decays are meant for.
const STEPS: f64 = 10_000.0;

options! {
    /// TaskSet's Adam of eight hyperparameters (Metz et al. 2020, arXiv:2002.11887): Adam on the loss + l2·Σp² +
    /// l1·Σ|p|, whose rate after s updates is lr·max(1 − linearDecay·s, 0)·exp(−exponentialDecay·s).
    pub struct Adam8p {
        /// Learning rate at first.
        lr: f64 => Range::Positive;
        /// Decay of the mean.
        beta1: f64 = 0.9 => Range::Fraction;
        /// Decay of the mean square.
        beta2: f64 = 0.999 => Range::Fraction;
        /// Added to the root.
        eps: f64 = 1e-8 => Range::NonNegative;
        /// Factor of Σ|p| in the loss.
        l1: f64 = 0.0 => Range::NonNegative;
        /// Factor of Σp² in the loss.
        l2: f64 = 0.0 => Range::NonNegative;
        /// What the rate loses a step, as a share of the first rate.
        linear_decay: f64 = 0.0 => Range::NonNegative;
        /// Exponent of the rate's decay a step.
        exponential_decay: f64 = 0.0 => Range::NonNegative;
        /// Whether s counts ten-thousandths of the run instead of updates, as in TaskSet's family of six
        /// hyperparameters.
        rescale_time: bool = false => Range::Flag;
    }
}

impl Adam8p {
    fn adam(&self) -> Adam {
        let &Self { lr, beta1, beta2, eps, .. } = self;
        Adam { lr, beta1, beta2, eps, eps_root: EPS_ROOT }
    }

    /// The rate after `updates`.
    fn rate(&self, updates: u64, num_steps: u64) -> f64 {
        let mut time = updates as f64;
        if self.rescale_time && num_steps > 0 {
            time *= STEPS / num_steps as f64;
        }
        let [lr, linear, exponential] =
            [self.lr, self.linear_decay, self.exponential_decay].map(|x| f64::from(x as f32));
        lr * (1.0 - linear * time).max(0.0) * libm::exp(-exponential * time)
    }
}

impl Config for Adam8p {
    fn build(self) -> Result<Arc<dyn Optimizer>> {
        Ok(Arc::new(if self.rescale_time {
            ElementwiseOptimizer::with_num_steps(self)
        } else {
            ElementwiseOptimizer::new(self)
        }))
    }
}

impl Rule for Adam8p {
    type Kernel = Penalized;
    const STATE: &'static [&'static str] = Adam::STATE;
    const GRAD_RANGE: GradRange = GradRange::SQUARES;

    fn first_state(&self) -> [f32; MAX_ARRAYS] {
        [0.0; MAX_ARRAYS]
    }

    fn at(&self, t: u64, num_steps: u64) -> (f32, Penalized) {
        let (_, moments) = self.adam().at(t, num_steps);
        let moments = Moments { lr: 1.0, ..moments };
        let rate = self.rate(t - 1, num_steps) as f32;
        (rate, Penalized { moments, l1: self.l1 as f32, twice_l2: 2.0 * self.l2 as f32 })
    }
}

/// Adam on the gradient of a loss with penalties.
#[derive(Clone, Copy)]
pub(crate) struct Penalized {
    moments: Moments,
    l1: f32,
    twice_l2: f32,
}

impl Elementwise for Penalized {
    const ARRAYS: usize = Moments::ARRAYS;

    #[inline(always)]
    fn direction<S: Simd>(self, s: S, p: S::V, g: S::V, state: &mut [S::V; MAX_ARRAYS]) -> S::V {
        let g = s.fma(s.splat(self.twice_l2), p, g);
        let g = s.fma(s.splat(self.l1), sign(s, p), g);
        self.moments.direction(s, p, g, state)
    }
}
