//! Learnable SGD, SGD with momentum and Adam: the hand-designed rules with their constants in theta, as logarithms.
//!
//! lr = e^θ and ε = e^θ; decays are 1 − e^θ, and become negative where θ > 0, which is kept.
//!
//! # References
//! google/learned_optimization, learned_optimizers/base.py, 32186aa (`LearnableSGD`, `LearnableSGDM`, `LearnableAdam`).
//! Adam has 1e-8 under the root there. Decays are arrays there, so that 1 − β is taken in f32 from the rounded β, where
//! optax's Adam with a literal β rounds after the subtraction: 1.3e-5 apart at β = 0.999. Left out: the sum of two
//! optimizers.

use crate::error::Result;
use crate::optim::elementwise::{ElementwiseOptimizer, Rule};
use crate::optim::options::options;
use crate::optim::rounding::exp;
use crate::optim::{Adam, Config, Cost, LeafInit, Momentum, Needs, Optimizer, Sgd, Theta, ThetaSpec, Update};
use crate::params::{ParamLayout, TensorSpec};
use std::marker::PhantomData;
use std::sync::Arc;

options! {
    /// Gradient descent whose rate is theta.
    pub struct LearnableSgdConfig {}
}

options! {
    /// Momentum whose rate and decay are theta.
    pub struct LearnableSgdmConfig {}
}

options! {
    /// Adam whose rate, decays and ε are theta.
    pub struct LearnableAdamConfig {}
}

/// How theta becomes the options of a hand-designed rule.
trait Constants: Send + Sync + 'static {
    /// The rule.
    type Rule: Rule;
    /// Leaves, all scalars, and the numbers whose logarithms they start at.
    const LEAVES: &'static [(&'static str, f64)];

    /// The rule with the constants of `theta`.
    fn rule(theta: &[f32]) -> Self::Rule;
}

impl Constants for LearnableSgdConfig {
    type Rule = Sgd;
    const LEAVES: &'static [(&'static str, f64)] = &[("log_lr", 0.01)];

    fn rule(theta: &[f32]) -> Sgd {
        Sgd { lr: rate(theta[0]) }
    }
}

impl Constants for LearnableSgdmConfig {
    type Rule = Momentum;
    const LEAVES: &'static [(&'static str, f64)] = &[("log_lr", 0.01), ("one_minus_momentum", 0.1)];

    fn rule(theta: &[f32]) -> Momentum {
        Momentum { lr: rate(theta[0]), momentum: decay(theta[1]), nesterov: false }
    }
}

impl Constants for LearnableAdamConfig {
    type Rule = Adam;
    const LEAVES: &'static [(&'static str, f64)] =
        &[("log_epsilon", 1e-8), ("log_lr", 0.001), ("one_minus_beta1", 0.1), ("one_minus_beta2", 0.001)];

    fn rule(theta: &[f32]) -> Adam {
        Adam {
            lr: rate(theta[1]),
            beta1: decay(theta[2]),
            beta2: decay(theta[3]),
            eps: rate(theta[0]),
            eps_root: 1e-8,
        }
    }
}

/// e^θ in f32.
fn rate(theta: f32) -> f64 {
    f64::from(exp(theta))
}

/// 1 − e^θ in f32. Widened, so that a rule which takes 1 − β in f64 and rounds it has the f32 difference.
fn decay(theta: f32) -> f64 {
    f64::from(1.0 - exp(theta))
}

/// A rule whose constants are theta.
struct Learnable<C> {
    theta: ThetaSpec,
    constants: PhantomData<C>,
}

impl<C: Constants> Learnable<C> {
    fn new() -> Self {
        let leaf = |&(name, initial): &(&str, f64)| {
            (TensorSpec::new(name, []), LeafInit::Constant(initial.ln() as f32))
        };
        Self { theta: ThetaSpec { leaves: C::LEAVES.iter().map(leaf).collect() }, constants: PhantomData }
    }

    fn optimizer(theta: &[f32]) -> ElementwiseOptimizer<C::Rule> {
        ElementwiseOptimizer::new(C::rule(theta))
    }
}

impl<C: Constants> Optimizer for Learnable<C> {
    fn theta_spec(&self) -> &ThetaSpec {
        &self.theta
    }

    fn state_layout(&self, params: &ParamLayout) -> Option<ParamLayout> {
        Self::optimizer(&[0.0; 4]).state_layout(params)
    }

    fn bind(&self, theta: Theta, params: &ParamLayout) -> Result<Box<dyn Update>> {
        self.theta.check(&theta)?;
        Self::optimizer(&theta).bind([].into(), params)
    }

    fn cost(&self) -> Cost {
        Self::optimizer(&[0.0; 4]).cost()
    }

    fn needs(&self) -> Needs {
        Needs { grad_range: C::Rule::GRAD_RANGE, ..Needs::default() }
    }
}

macro_rules! configs {
    ($($config:ty,)*) => {
        $(impl Config for $config {
            fn build(self) -> Result<Arc<dyn Optimizer>> {
                Ok(Arc::new(Learnable::<Self>::new()))
            }
        })*
    };
}

configs! {
    LearnableSgdConfig,
    LearnableSgdmConfig,
    LearnableAdamConfig,
}
