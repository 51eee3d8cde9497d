//! Heavy-ball momentum: τ ← g + μτ; p ← p − lr·τ, or with Nesterov p ← p − lr·(g + μτ).

use super::{Cost, Losses, Optimizer, OptimizerState, ThetaSpec, Update};
use crate::error::Result;
use crate::params::{ParamLayout, TensorSpec};
use crate::simd::{Cpu, Kernel, Simd};

/// Gradient descent with momentum.
#[derive(Clone)]
pub(super) struct Momentum {
    pub(super) lr: f32,
    pub(super) momentum: f32,
    pub(super) is_nesterov: bool,
    pub(super) theta: ThetaSpec,
}

impl Optimizer for Momentum {
    fn theta_spec(&self) -> &ThetaSpec {
        &self.theta
    }

    fn state_layout(&self, params: &ParamLayout) -> Option<ParamLayout> {
        ParamLayout::new(vec![TensorSpec::new("trace", [params.padded_len()])]).ok()
    }

    fn bind(&self, theta: &[f32], _: &ParamLayout) -> Result<Box<dyn Update>> {
        self.theta.check(theta)?;
        Ok(Box::new(self.clone()))
    }

    fn cost(&self) -> Cost {
        Cost { state_floats: 1, macs: 0 }
    }

    fn valid_every(&self) -> Option<u64> {
        None
    }
}

impl Update for Momentum {
    fn init(&mut self, _: &[f32], _: &mut OptimizerState) {}

    fn step(
        &mut self,
        cpu: Cpu,
        state: &mut OptimizerState,
        params: &mut [f32],
        grads: &mut [f32],
        _: Losses,
    ) {
        cpu.run(Step { rule: self, params, grads, trace: &mut state.data });
        state.iteration += 1;
    }
}

struct Step<'a> {
    rule: &'a Momentum,
    params: &'a mut [f32],
    grads: &'a [f32],
    trace: &'a mut [f32],
}

impl Kernel for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (lr, mu) = (s.splat(self.rule.lr), s.splat(self.rule.momentum));
        let w = S::WIDTH;
        let arrays = self
            .params
            .chunks_exact_mut(w)
            .zip(self.grads.chunks_exact(w))
            .zip(self.trace.chunks_exact_mut(w));
        for ((p, g), t) in arrays {
            // SAFETY: all chunks are WIDTH long.
            unsafe {
                let g = s.load(g.as_ptr());
                let trace = s.fma(mu, s.load(t.as_ptr()), g);
                s.store(t.as_mut_ptr(), trace);
                let direction = if self.rule.is_nesterov { s.fma(mu, trace, g) } else { trace };
                s.store(p.as_mut_ptr(), s.fnma(lr, direction, s.load(p.as_ptr())));
            }
        }
    }
}
