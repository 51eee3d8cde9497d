//! Weight decay around any optimizer. `decoupled`: p ← (the inner step's p) − factor·wd·(p before it), where factor is
//! that of the step, so that a schedule outside applies. `l2`: the inner optimizer sees g + wd·p and a loss larger by
//! wd·Σp².
//!
//! # References
//! Loshchilov, Hutter 2017, arXiv:1711.05101, for the decoupled form. The other is google/learned_optimization's wrapper
//! (32186aa): wd·p is half the derivative of what is added to the loss. Differences: `decoupled`, and `pattern`.

use super::wrapper::{Around, Wrap, Wrapper};
use crate::error::Result;
use crate::optim::elementwise::{Directions, Sweep};
use crate::optim::options::{Ranges, checked_elsewhere, options};
use crate::optim::squares::Squares;
use crate::optim::tensorwise::{Decayed, Plain};
use crate::optim::{Config, Needs, Optimizer, Overwrites, Step, Update};
use crate::params::{ParamLayout, TensorSpec};
use crate::simd::AlignedVec;
use regex::Regex;
use serde::{Deserialize, Serialize};
use std::ops::Range;
use std::sync::Arc;

/// What decays.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecayKind {
    /// The parameters, beside the inner step.
    #[default]
    Decoupled,
    /// The loss grows with the parameters' squares, and the inner optimizer sees that.
    L2,
}

options! {
    /// Weight decay around any optimizer. `decoupled`: p ← (the inner step's p) − weightDecay·(p before it); a schedule or
    /// factor outside applies to it. `l2`: the inner optimizer sees g + weightDecay·p and a loss larger by weightDecay·Σp² (as
    /// published: the gradient is half of that loss').
    pub struct WeightDecay<C> {
        /// What steps.
        inner: Box<C> => Range::Optimizer;
        /// What decays: the parameters beside the inner step, or the gradient that the inner optimizer sees.
        kind: DecayKind = DecayKind::Decoupled => Range::choice(&["decoupled", "l2"]);
        /// Share of the parameters that a step takes, or factor of their squares in the loss.
        weight_decay: f64 => Range::NonNegative;
        /// Only tensors decay whose name this regular expression finds; null: all.
        pattern: Option<String> = None => Range::Pattern;
    }
}

checked_elsewhere!(DecayKind);

impl<C: Config> Config for WeightDecay<C> {
    fn checked(self) -> Result<Self> {
        self.check_ranges()?;
        Ok(Self { inner: Box::new(self.inner.checked()?), ..self })
    }

    fn build(self) -> Result<Arc<dyn Optimizer>> {
        let inner = self.inner.build()?;
        let pattern = self.pattern.as_deref().and_then(|p| Regex::new(p).ok());
        let wrap = Decay { kind: self.kind, weight_decay: self.weight_decay, pattern };
        Ok(Arc::new(Wrapper { wrap, inner }))
    }
}

#[derive(Clone)]
struct Decay {
    kind: DecayKind,
    weight_decay: f64,
    pattern: Option<Regex>,
}

impl Wrap for Decay {
    type Bound = Bound;

    fn arrays(&self, _: &ParamLayout) -> Vec<TensorSpec> {
        vec![]
    }

    fn needs(&self, inner: Needs) -> Needs {
        match self.kind {
            DecayKind::Decoupled => inner,
            DecayKind::L2 => Needs { overwrites_grads: Overwrites::Always, ..inner },
        }
    }

    fn bind(&self, params: &ParamLayout) -> Bound {
        let decays = |name: &str| self.pattern.as_ref().is_none_or(|p| p.is_match(name));
        let tensors = params.specs().iter().enumerate().filter(|(_, spec)| decays(&spec.name));
        Bound {
            kind: self.kind,
            weight_decay: self.weight_decay as f32,
            tensors: tensors.map(|(i, _)| (i, params.padded_range(i))).collect(),
            squares: Squares::of(params),
            before: AlignedVec::zeros(match self.kind {
                DecayKind::Decoupled => params.padded_len(),
                DecayKind::L2 => 0,
            }),
        }
    }
}

struct Bound {
    kind: DecayKind,
    weight_decay: f32,
    /// The tensors that decay, and where they are.
    tensors: Vec<(usize, Range<usize>)>,
    squares: Squares,
    /// Parameters before the step.
    before: AlignedVec,
}

impl Around for Bound {
    fn step(&mut self, mut step: Step<'_>, _: &mut [f32], inner: &mut dyn Update) {
        let (workers, scale) = (step.workers, step.scale);
        match self.kind {
            DecayKind::L2 => {
                let mut squares = 0.0;
                for (i, range) in &self.tensors {
                    let kernel = Decayed { factor: 1.0, decay: self.weight_decay };
                    let (p, g) = (step.params.get(*i, range), step.grads.get(*i, range));
                    Directions::new(kernel, p, g, &mut [], 0).run(workers);
                    squares += self.squares.sum(workers, p);
                }
                step.losses.train += (f64::from(self.weight_decay) * squares) as f32;
                inner.step(step);
            }
            DecayKind::Decoupled => {
                for (i, range) in &self.tensors {
                    self.before[range.clone()].copy_from_slice(step.params.get(*i, range));
                }
                let mut params = step.params;
                inner.step(Step { params: params.reborrow(), ..step });
                for (i, range) in &self.tensors {
                    let rate = self.weight_decay * scale.of(*i);
                    let (p, before) = (params.get(*i, range), &self.before[range.clone()]);
                    Sweep::new(Plain, p, before, &mut [], 0).run(workers, rate);
                }
            }
        }
    }

    /// The calls that gathered have had their decay.
    fn flush(&mut self, step: Step<'_>, _: &mut [f32], inner: &mut dyn Update) -> bool {
        inner.flush(step)
    }
}
