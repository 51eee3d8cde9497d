//! Gradient descent: p ← p − lr·g.

use super::{Cost, Losses, Optimizer, OptimizerState, ThetaSpec, Update};
use crate::error::Result;
use crate::params::ParamLayout;
use crate::simd::{Cpu, Kernel, Simd};

/// Plain stochastic gradient descent.
pub(super) struct Sgd {
    pub(super) lr: f32,
    pub(super) theta: ThetaSpec,
}

impl Optimizer for Sgd {
    fn theta_spec(&self) -> &ThetaSpec {
        &self.theta
    }

    fn state_layout(&self, _: &ParamLayout) -> Option<ParamLayout> {
        None
    }

    fn bind(&self, theta: &[f32], _: &ParamLayout) -> Result<Box<dyn Update>> {
        self.theta.check(theta)?;
        Ok(Box::new(BoundSgd { lr: self.lr }))
    }

    fn cost(&self) -> Cost {
        Cost { state_floats: 0, macs: 0 }
    }

    fn valid_every(&self) -> Option<u64> {
        None
    }
}

struct BoundSgd {
    lr: f32,
}

impl Update for BoundSgd {
    fn init(&mut self, _: &[f32], _: &mut OptimizerState) {}

    fn step(
        &mut self,
        cpu: Cpu,
        state: &mut OptimizerState,
        params: &mut [f32],
        grads: &mut [f32],
        _: Losses,
    ) {
        cpu.run(Descend { params, grads, lr: self.lr });
        state.iteration += 1;
    }
}

struct Descend<'a> {
    params: &'a mut [f32],
    grads: &'a [f32],
    lr: f32,
}

impl Kernel for Descend<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let lr = s.splat(self.lr);
        for (p, g) in self.params.chunks_exact_mut(S::WIDTH).zip(self.grads.chunks_exact(S::WIDTH)) {
            // SAFETY: both chunks are WIDTH long.
            unsafe { s.store(p.as_mut_ptr(), s.fnma(lr, s.load(g.as_ptr()), s.load(p.as_ptr()))) };
        }
    }
}
