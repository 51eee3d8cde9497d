//! Adam: m ← β₁m + (1−β₁)g, v ← β₂v + (1−β₂)g², p ← p − lr·m̂/(√(v̂ + eps_root) + eps), bias corrected.
//!
//! # References
//! Kingma, Ba 2014, arXiv:1412.6980. As optax's `adam`: 1−β is rounded to f32 after the subtraction in f64,
//! βᵗ before the subtraction, which at t = 2 moves a second moment by 1.5e-5.

use super::rounding::one_minus_power;
use super::{Cost, Losses, Optimizer, OptimizerState, ThetaSpec, Update};
use crate::error::Result;
use crate::params::{ParamLayout, TensorSpec};
use crate::simd::{Cpu, Kernel, Simd};

/// Adam with its constants.
#[derive(Clone)]
pub(super) struct Adam {
    pub(super) lr: f64,
    pub(super) beta1: f64,
    pub(super) beta2: f64,
    pub(super) eps: f64,
    pub(super) eps_root: f64,
    pub(super) theta: ThetaSpec,
}

impl Optimizer for Adam {
    fn theta_spec(&self) -> &ThetaSpec {
        &self.theta
    }

    fn state_layout(&self, params: &ParamLayout) -> Option<ParamLayout> {
        let n = params.padded_len();
        ParamLayout::new(vec![TensorSpec::new("m", [n]), TensorSpec::new("v", [n])]).ok()
    }

    fn bind(&self, theta: &[f32], _: &ParamLayout) -> Result<Box<dyn Update>> {
        self.theta.check(theta)?;
        Ok(Box::new(self.clone()))
    }

    fn cost(&self) -> Cost {
        Cost { state_floats: 2, macs: 0 }
    }

    fn valid_every(&self) -> Option<u64> {
        None
    }
}

impl Update for Adam {
    fn init(&mut self, _: &[f32], _: &mut OptimizerState) {}

    fn step(
        &mut self,
        cpu: Cpu,
        state: &mut OptimizerState,
        params: &mut [f32],
        grads: &mut [f32],
        _: Losses,
    ) {
        state.iteration += 1;
        let t = state.iteration as f64;
        let (m, v) = state.data.split_at_mut(params.len());
        cpu.run(Step {
            beta: [self.beta1 as f32, self.beta2 as f32],
            complement: [(1.0 - self.beta1) as f32, (1.0 - self.beta2) as f32],
            correction: [self.beta1, self.beta2].map(|beta| 1.0 / one_minus_power(beta as f32, t)),
            lr: self.lr as f32,
            eps: self.eps as f32,
            eps_root: self.eps_root as f32,
            params,
            grads,
            m,
            v,
        });
    }
}

/// One step of the rule on padded arrays.
pub(crate) struct Step<'a> {
    pub(crate) beta: [f32; 2],
    /// 1 − β.
    pub(crate) complement: [f32; 2],
    /// 1/(1 − βᵗ).
    pub(crate) correction: [f32; 2],
    pub(crate) lr: f32,
    pub(crate) eps: f32,
    pub(crate) eps_root: f32,
    pub(crate) params: &'a mut [f32],
    pub(crate) grads: &'a [f32],
    pub(crate) m: &'a mut [f32],
    pub(crate) v: &'a mut [f32],
}

impl Kernel for Step<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let (b1, b2) = (s.splat(self.beta[0]), s.splat(self.beta[1]));
        let (a1, a2) = (s.splat(self.complement[0]), s.splat(self.complement[1]));
        let (c1, c2) = (s.splat(self.correction[0]), s.splat(self.correction[1]));
        let (lr, eps, eps_root) = (s.splat(self.lr), s.splat(self.eps), s.splat(self.eps_root));
        let w = S::WIDTH;
        let moments = self.m.chunks_exact_mut(w).zip(self.v.chunks_exact_mut(w));
        for ((p, g), (m, v)) in self.params.chunks_exact_mut(w).zip(self.grads.chunks_exact(w)).zip(moments) {
            // SAFETY: all chunks are WIDTH long.
            unsafe {
                let g = s.load(g.as_ptr());
                let mean = s.fma(b1, s.load(m.as_ptr()), s.mul(a1, g));
                let square = s.fma(b2, s.load(v.as_ptr()), s.mul(a2, s.mul(g, g)));
                s.store(m.as_mut_ptr(), mean);
                s.store(v.as_mut_ptr(), square);
                let root = s.add(s.sqrt(s.fma(square, c2, eps_root)), eps);
                let step = s.div(s.mul(s.mul(mean, c1), lr), root);
                // 0/0 where eps is 0 and nothing ever moved (gaps of the layout among them): no step.
                let step = s.select(s.gt(root, s.splat(0.0)), step, s.sub(root, root));
                s.store(p.as_mut_ptr(), s.sub(s.load(p.as_ptr()), step));
            }
        }
    }
}
