//! The sum of two optimizers' steps from the same parameters; both go on from where it leads.
//!
//! # References
//! google/learned_optimization (32186aa), its sum of learned optimizers, whose leaves of theta have these names. A
//! difference: either may be hand-designed, and then has no leaves.

use super::pair::{Join, Pair, Tried};
use crate::error::Result;
use crate::optim::elementwise::{Elementwise, MAX_ARRAYS, Sweep};
use crate::optim::options::options;
use crate::optim::{Config, Optimizer, Scale};
use crate::simd::Simd;
use std::sync::Arc;

options! {
    /// The sum of two optimizers' steps from the same parameters.
    pub struct Sum<C> {
        /// The first.
        first: Box<C> => Range::Optimizer;
        /// The second.
        second: Box<C> => Range::Optimizer;
    }
}

impl<C: Config> Config for Sum<C> {
    fn checked(self) -> Result<Self> {
        Ok(Self { first: Box::new(self.first.checked()?), second: Box::new(self.second.checked()?) })
    }

    fn build(self) -> Result<Arc<dyn Optimizer>> {
        let inner = [self.first.build()?, self.second.build()?];
        Ok(Arc::new(Pair::new(|_| Added, inner)))
    }
}

struct Added;

impl Join for Added {
    fn inner_scale<'a>(&self, scale: Scale<'a>) -> Scale<'a> {
        scale
    }

    fn join(&self, tried: Tried<'_>) {
        let Tried { workers, before, params, other, .. } = tried;
        Sweep::new(Back, params, other, before, 0).run(workers, 1.0);
    }
}

/// What another step took from the parameters before: p ← p − (before − other).
#[derive(Clone, Copy)]
struct Back;

impl Elementwise for Back {
    const ARRAYS: usize = 1;

    #[inline(always)]
    fn direction<S: Simd>(self, s: S, _: S::V, other: S::V, state: &mut [S::V; MAX_ARRAYS]) -> S::V {
        s.sub(state[0], other)
    }
}
