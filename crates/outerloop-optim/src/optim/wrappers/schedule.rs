//! A factor of an inner optimizer's steps that changes with time. With t the updates before this one, so that the first
//! has t = 0, and N the number of steps, all in f64 and then rounded to f32:
//!
//! | `kind` | factor |
//! |---|---|
//! | `constant` | value |
//! | `linear_warmup` | r(t) = start + (1 − start)·min(t/warmupSteps, 1) |
//! | `cosine` | r(t) while t < warmupSteps = W, then end + (1 − end)·(1 + cos(π·min((t − W)/(T − W), 1)))/2, T = totalSteps or N |
//! | `piecewise` | the factor of the last breakpoint with `step` ≤ t, and 1 before the first |
//! | `exponential` | rate^(t/every) |
//! | `inverse_sqrt` | min(s/W, √(W/s)) with s = t + 1, W = warmupSteps |
//!
//! # References
//! Cosine: Loshchilov, Hutter 2016, arXiv:1608.03983, with warm-up as optax has it. `inverse_sqrt` with 1,000 and
//! `exponential` with rate 1 − 7e-5 are the schedules of google/learned_optimization's (32186aa) AdamSqrtDecay and, but
//! for the count, AdamExpDecay. t counts validation calls where the inner optimizer's iterations do (the hierarchical
//! one's library variant).

use super::wrapper::{Around, Wrap, Wrapper};
use crate::error::Result;
use crate::optim::checks::expect;
use crate::optim::options::{OptionValue, Range, Ranges, options};
use crate::optim::{Config, Needs, Optimizer, Step, Update};
use crate::params::{ParamLayout, TensorSpec};
use serde::{Deserialize, Serialize};
use std::sync::Arc;

options! {
    /// Steps times a factor that changes with time.
    pub struct Schedule<C> {
        /// What steps.
        inner: Box<C> => Range::Optimizer;
        /// How the factor changes.
        factor: StepFactor => Range::Nested { schema: "stepFactor" };
    }
}

/// How a factor changes with time.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum StepFactor {
    /// It does not.
    Constant {
        /// The factor, at least 0.
        value: f64,
    },
    /// It grows to 1.
    LinearWarmup {
        /// Steps until it is 1, from 1.
        warmup_steps: u64,
        /// The first factor, in [0, 1].
        #[serde(default)]
        start: f64,
    },
    /// It grows to 1 and falls along a cosine.
    Cosine {
        /// Steps until it is 1.
        #[serde(default)]
        warmup_steps: u64,
        /// The first factor of the warm-up, in [0, 1].
        #[serde(default)]
        start: f64,
        /// Steps until the end, more than `warmupSteps`; `null`: the number of steps of the run.
        #[serde(default)]
        total_steps: Option<u64>,
        /// The last factor, at least 0.
        #[serde(default)]
        end: f64,
    },
    /// It jumps.
    Piecewise {
        /// Where, in increasing order.
        breakpoints: Vec<Breakpoint>,
    },
    /// It falls by a rate.
    Exponential {
        /// Factor in `every` steps, in (0, 1].
        rate: f64,
        /// Steps, from 1.
        #[serde(default = "one_step")]
        every: u64,
    },
    /// It grows to 1, then falls as 1/√t.
    InverseSqrt {
        /// Steps until it is 1, from 1.
        #[serde(default = "thousand_steps")]
        warmup_steps: u64,
    },
}

/// A jump of a factor.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Breakpoint {
    /// The first step that has it.
    pub step: u64,
    /// The factor from then on, at least 0.
    pub factor: f64,
}

fn one_step() -> u64 {
    1
}

fn thousand_steps() -> u64 {
    1000
}

impl<C: Config> Config for Schedule<C> {
    fn checked(self) -> Result<Self> {
        self.check_ranges()?;
        Ok(Self { inner: Box::new(self.inner.checked()?), ..self })
    }

    fn build(self) -> Result<Arc<dyn Optimizer>> {
        let inner = self.inner.build()?;
        Ok(Arc::new(Wrapper { wrap: self.factor, inner }))
    }
}

impl OptionValue for StepFactor {
    fn check(&self, _: &str, _: Range) -> Result<()> {
        const STEPS: Range = Range::integer(1, u64::MAX);
        match self {
            Self::Constant { value } => value.check("value", Range::NonNegative),
            Self::LinearWarmup { warmup_steps, start } => {
                warmup_steps.check("warmupSteps", STEPS)?;
                start.check("start", Range::Probability)
            }
            Self::Cosine { warmup_steps, start, total_steps, end } => {
                start.check("start", Range::Probability)?;
                end.check("end", Range::NonNegative)?;
                let is_longer = total_steps.is_none_or(|total| total > *warmup_steps);
                expect(is_longer, "totalSteps", "null or more than `warmupSteps`", total_steps)
            }
            Self::Piecewise { breakpoints } => {
                let is_sorted = breakpoints.windows(2).all(|w| w[0].step < w[1].step);
                expect(is_sorted, "breakpoints", "in order of their steps", breakpoints)?;
                breakpoints.iter().try_for_each(|b| b.factor.check("factor", Range::NonNegative))
            }
            Self::Exponential { rate, every } => {
                rate.check("rate", Range::Positive)?;
                rate.check("rate", Range::Probability)?;
                every.check("every", STEPS)
            }
            Self::InverseSqrt { warmup_steps } => warmup_steps.check("warmupSteps", STEPS),
        }
    }
}

impl StepFactor {
    /// The factor after `t` updates of `num_steps`.
    pub fn at(&self, t: u64, num_steps: u64) -> f64 {
        let warmup = |start: f64, steps: u64| start + (1.0 - start) * (t as f64 / steps as f64).min(1.0);
        match self {
            Self::Constant { value } => *value,
            Self::LinearWarmup { warmup_steps, start } => warmup(*start, *warmup_steps),
            Self::Cosine { warmup_steps, start, .. } if t < *warmup_steps => warmup(*start, *warmup_steps),
            Self::Cosine { warmup_steps, total_steps, end, .. } => {
                let total = total_steps.unwrap_or(num_steps).saturating_sub(*warmup_steps);
                let done = if total == 0 { 1.0 } else { ((t - warmup_steps) as f64 / total as f64).min(1.0) };
                end + (1.0 - end) * 0.5 * (1.0 + libm::cos(std::f64::consts::PI * done))
            }
            Self::Piecewise { breakpoints } => {
                breakpoints.iter().take_while(|b| b.step <= t).last().map_or(1.0, |b| b.factor)
            }
            Self::Exponential { rate, every } => libm::pow(*rate, t as f64 / *every as f64),
            Self::InverseSqrt { warmup_steps } => {
                let (s, warmup) = ((t + 1) as f64, *warmup_steps as f64);
                (s / warmup).min((warmup / s).sqrt())
            }
        }
    }
}

impl Wrap for StepFactor {
    type Bound = Self;

    fn arrays(&self, _: &ParamLayout) -> Vec<TensorSpec> {
        vec![]
    }

    fn needs(&self, inner: Needs) -> Needs {
        let reads_num_steps = matches!(self, Self::Cosine { total_steps: None, .. });
        Needs { num_steps: inner.num_steps || reads_num_steps, ..inner }
    }

    fn bind(&self, _: &ParamLayout) -> Self {
        self.clone()
    }
}

impl Around for StepFactor {
    fn step(&mut self, step: Step<'_>, _: &mut [f32], inner: &mut dyn Update) {
        let factor = self.at(*step.state.iteration, step.state.num_steps) as f32;
        inner.step(Step { scale: step.scale.times(factor), ..step });
    }

    /// With the factor of the last call, which is the step that was to come.
    fn flush(&mut self, step: Step<'_>, _: &mut [f32], inner: &mut dyn Update) -> bool {
        let factor = self.at(step.state.iteration.saturating_sub(1), step.state.num_steps) as f32;
        inner.flush(Step { scale: step.scale.times(factor), ..step })
    }
}
