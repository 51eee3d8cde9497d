//! RMSProp (Tieleman, Hinton 2012), in optax's form: eps under the root, momentum on steps that have the rate in them.

use super::constants::Decay;
use super::elementwise::{Common, ElementRule};

/// v ← d·v + (1 − d)g²; u = −lr·g/√(v + eps); p ← p + u.
#[derive(Clone, Copy, Debug)]
pub struct RmsProp {
    /// Learning rate.
    pub lr: f64,
    /// Decay d of the mean square.
    pub decay: f64,
    /// Added under the root.
    pub eps: f64,
}

impl RmsProp {
    fn direction(&self, common: Common, g: f64, square: &mut f64) -> f64 {
        let [lr, eps] = [self.lr, self.eps].map(|x| common.constants.literal(x));
        Decay::literal(self.decay, common.constants).update(square, g * g);
        -lr * g / (*square + eps).sqrt()
    }
}

impl ElementRule for RmsProp {
    const STATE: &'static [&'static str] = &["nu"];
    const READS_NUM_STEPS: bool = false;

    fn first_state(&self) -> f64 {
        0.0
    }

    fn step(&self, common: Common, p: &mut f64, g: f64, state: &mut [f64]) {
        *p += self.direction(common, g, &mut state[0]);
    }
}

/// RMSProp's u with momentum: τ ← u + μτ; p ← p + τ, or with Nesterov p ← p + u + μτ.
#[derive(Clone, Copy, Debug)]
pub struct RmsPropMomentum {
    /// What makes u.
    pub rmsprop: RmsProp,
    /// Momentum μ.
    pub momentum: f64,
    /// Whether the step looks ahead.
    pub nesterov: bool,
}

impl ElementRule for RmsPropMomentum {
    const STATE: &'static [&'static str] = &["nu", "trace"];
    const READS_NUM_STEPS: bool = false;

    fn first_state(&self) -> f64 {
        0.0
    }

    fn step(&self, common: Common, p: &mut f64, g: f64, state: &mut [f64]) {
        let u = self.rmsprop.direction(common, g, &mut state[0]);
        let mu = common.constants.literal(self.momentum);
        state[1] = u + mu * state[1];
        *p += if self.nesterov { u + mu * state[1] } else { state[1] };
    }
}
