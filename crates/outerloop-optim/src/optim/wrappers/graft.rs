//! Grafting: the direction of one optimizer's step, as long as another one's. With Δ_M and Δ_D the steps of `magnitude`
//! and `direction` from the same parameters: p ← p + (‖Δ_M‖/‖Δ_D‖)·Δ_D, norms over all tensors together, and no step
//! where Δ_D is 0. Both go on from there.
//!
//! # References
//! Agarwal, Anil, Hazan, Koren, Zhang 2020, arXiv:2002.11803 ("global" grafting).

use super::pair::{Join, Pair, Tried};
use crate::error::Result;
use crate::optim::elementwise::{Directions, Elementwise, MAX_ARRAYS, Sweep};
use crate::optim::options::options;
use crate::optim::squares::Squares;
use crate::optim::tensorwise::Plain;
use crate::optim::{Config, Optimizer, Scale, Tensors};
use crate::simd::Simd;
use std::sync::Arc;

options! {
    /// The direction of one optimizer's step, as long as another one's over all tensors.
    pub struct Graft<C> {
        /// What says how far.
        magnitude: Box<C> => Range::Optimizer;
        /// What says where to.
        direction: Box<C> => Range::Optimizer;
    }
}

impl<C: Config> Config for Graft<C> {
    fn checked(self) -> Result<Self> {
        let [magnitude, direction] = [self.magnitude.checked()?, self.direction.checked()?].map(Box::new);
        Ok(Self { magnitude, direction })
    }

    fn build(self) -> Result<Arc<dyn Optimizer>> {
        let inner = [self.magnitude.build()?, self.direction.build()?];
        Ok(Arc::new(Pair::new(|params| Grafted { squares: Squares::of(params) }, inner)))
    }
}

struct Grafted {
    squares: Squares,
}

impl Join for Grafted {
    /// The factors multiply the whole step, once: inside they would change the norms, and directions between tensors.
    fn inner_scale<'a>(&self, _: Scale<'a>) -> Scale<'a> {
        Scale::ONE
    }

    fn join(&self, tried: Tried<'_>) {
        let Tried { layout, workers, scale, before, params, other, scratch } = tried;
        scratch.copy_from_slice(params);
        Directions::new(Moved, params, scratch, before, 0).run(workers);
        Directions::new(Moved, params, other, before, 0).run(workers);
        let [magnitude, direction] = [&mut *scratch, &mut *other]
            .map(|step| self.squares.global_norm(workers, layout, &mut Tensors::joint(step)));
        let ratio = if direction == 0.0 { 0.0 } else { (magnitude / direction) as f32 };
        params.copy_from_slice(before);
        for i in 0..layout.num_tensors() {
            let rate = -ratio * scale.of(i);
            let range = layout.padded_range(i);
            let (p, d) = (&mut params[range.clone()], &other[range]);
            Sweep::new(Plain, p, d, &mut [], 0).run(workers, rate);
        }
    }
}

/// What moved since before.
#[derive(Clone, Copy)]
struct Moved;

impl Elementwise for Moved {
    const ARRAYS: usize = 1;

    #[inline(always)]
    fn direction<S: Simd>(self, s: S, _: S::V, after: S::V, state: &mut [S::V; MAX_ARRAYS]) -> S::V {
        s.sub(after, state[0])
    }
}
