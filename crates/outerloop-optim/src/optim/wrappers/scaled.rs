//! Steps times constants: one for all tensors, some for those whose name a pattern finds, and the maximal update
//! parametrisation's for hidden matrices.
//!
//! # References
//! Yang, Hu et al. 2022, arXiv:2203.03466 (µP); Thérien et al. 2024, "µLO", arXiv:2406.00153: a learned optimizer's steps
//! of hidden matrices are divided by the width in units of the widths that it was trained on. What µP does to the
//! initialisation and to the output is the task's, and is not here.

use super::wrapper::{Around, Wrap, Wrapper};
use crate::error::Result;
use crate::optim::options::{OptionValue, Range, Ranges, options};
use crate::optim::{Config, Needs, Optimizer, Scale, Step, Update};
use crate::params::{ParamLayout, TensorSpec};
use regex::Regex;
use serde::{Deserialize, Serialize};
use std::sync::Arc;

options! {
    /// Steps times constants; the factors of a tensor multiply.
    pub struct Scaled<C> {
        /// What steps.
        inner: Box<C> => Range::Optimizer;
        /// Of all tensors.
        factor: f64 = 1.0 => Range::NonNegative;
        /// Of tensors whose name a regular expression finds.
        tensors: Vec<TensorFactor> = vec![] => Range::Nested { schema: "tensorFactors" };
        /// Maximal update parametrisation: hidden matrices step by this over their width, the last axis but one. Hidden are
        /// tensors of rank 2 and more but the first and the last of them in leaf order. null: no such factor.
        mup_base_width: Option<f64> = None => Range::Positive;
    }
}

/// A factor of the tensors whose name a pattern finds.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TensorFactor {
    /// A regular expression without look-around.
    pub pattern: String,
    /// At least 0.
    pub factor: f64,
}

impl OptionValue for TensorFactor {
    fn check(&self, _: &str, _: Range) -> Result<()> {
        self.pattern.check("pattern", Range::Pattern)?;
        self.factor.check("factor", Range::NonNegative)
    }
}

impl<C: Config> Config for Scaled<C> {
    fn checked(self) -> Result<Self> {
        self.check_ranges()?;
        Ok(Self { inner: Box::new(self.inner.checked()?), ..self })
    }

    fn build(self) -> Result<Arc<dyn Optimizer>> {
        let inner = self.inner.clone().build()?;
        Ok(Arc::new(Wrapper { wrap: self, inner }))
    }
}

impl<C> Scaled<C> {
    /// The factor of every tensor.
    fn factors(&self, params: &ParamLayout) -> Vec<f64> {
        let mut factors = vec![self.factor; params.num_tensors()];
        for tensor in &self.tensors {
            // A wrong pattern was refused before.
            let Ok(pattern) = Regex::new(&tensor.pattern) else { continue };
            for (factor, spec) in factors.iter_mut().zip(params.specs()) {
                *factor *= if pattern.is_match(&spec.name) { tensor.factor } else { 1.0 };
            }
        }
        if let Some(base) = self.mup_base_width {
            let matrices = params.specs().iter().enumerate().filter(|(_, s)| s.shape.len() >= 2);
            let matrices: Vec<_> = matrices.collect();
            for (i, spec) in matrices.iter().skip(1).rev().skip(1) {
                factors[*i] *= base / spec.shape[spec.shape.len() - 2] as f64;
            }
        }
        factors
    }
}

impl<C: Config> Wrap for Scaled<C> {
    type Bound = Bound;

    fn arrays(&self, _: &ParamLayout) -> Vec<TensorSpec> {
        vec![]
    }

    fn needs(&self, inner: Needs) -> Needs {
        inner
    }

    fn bind(&self, params: &ParamLayout) -> Bound {
        let factors: Vec<f32> =
            params.in_whole(|all| self.factors(all)).into_iter().map(|x| x as f32).collect();
        Bound { is_uniform: factors.windows(2).all(|w| w[0] == w[1]), total: factors.clone(), factors }
    }
}

pub(super) struct Bound {
    factors: Vec<f32>,
    is_uniform: bool,
    /// These factors times those of a step.
    total: Vec<f32>,
}

impl Bound {
    /// The step with its factors.
    fn scaled<'a>(&'a mut self, step: Step<'a>) -> Step<'a> {
        if self.is_uniform {
            return Step { scale: step.scale.times(self.factors[0]), ..step };
        }
        for (i, (total, factor)) in self.total.iter_mut().zip(&self.factors).enumerate() {
            *total = step.scale.of(i) * factor;
        }
        Step { scale: Scale::ONE.by_tensor(&self.total), ..step }
    }
}

impl Around for Bound {
    fn step(&mut self, step: Step<'_>, _: &mut [f32], inner: &mut dyn Update) {
        inner.step(self.scaled(step));
    }

    fn flush(&mut self, step: Step<'_>, _: &mut [f32], inner: &mut dyn Update) -> bool {
        inner.flush(self.scaled(step))
    }
}
