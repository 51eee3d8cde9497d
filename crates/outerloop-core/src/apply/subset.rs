//! Steps in which some tensors have no gradient and are left alone.
//!
//! Such a step is that of a model which has only the other tensors: they have their own slices of the state, and share what
//! is kept once for all (counters, losses, the statistics of a network over tensors). Neither norms nor statistics see a
//! tensor that is left alone. Where gradients are accumulated, a missing one counts as zero for a tensor of which something
//! other than zeros has been gathered.

use super::applied::{Applied, Report, Subset, check};
use crate::error::{Error, ErrorCode, Result};
use crate::optim::{Optimizer, SUM, Scale};
use crate::params::{ALIGN, ParamLayout, TensorSpec};
use std::collections::HashMap;
use std::ops::Range;

/// Which part of an array of state belongs to a tensor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Owned {
    /// The array is that of one tensor, or is kept once for all.
    Whole,
    /// It is a padded array over all parameters.
    Elements,
    /// So many numbers for every tensor.
    Rows(usize),
}

impl Applied {
    /// [`Applied::step`] where a tensor without a gradient is left alone, its state too. Without any gradient nothing
    /// changes, and the step is not counted.
    /// # Errors
    /// As [`Applied::step`].
    pub fn step_some(
        &mut self,
        params: &mut [&mut [f32]],
        grads: &[Option<&[f32]>],
        [loss, valid]: [Option<f32>; 2],
        factor: f32,
    ) -> Result<Report> {
        check(&self.layout, "params", params.iter().map(|p| p.len()))?;
        let lens = self.layout.specs().iter().zip(grads);
        check(&self.layout, "grads", lens.map(|(spec, g)| g.map_or(spec.len(), <[f32]>::len)))?;
        if grads.len() != self.layout.num_tensors() {
            let message =
                format!("grads: expected {} entries, got {}", self.layout.num_tensors(), grads.len());
            return Err(Error::shape(message));
        }
        if grads.iter().all(Option::is_none) {
            return Ok(Report { is_applied: false, num_zeroed: 0, num_held: 0 });
        }
        let pending = self.pending()?;
        let indices: Vec<_> = (0..grads.len()).filter(|&i| grads[i].is_some() || pending[i]).collect();
        let missing = indices.iter().filter(|&&i| grads[i].is_none()).map(|&i| self.layout.specs()[i].len());
        let zeros = vec![0.0; missing.max().unwrap_or(0)];
        let grad = |&i: &usize| grads[i].unwrap_or_else(|| &zeros[..self.layout.specs()[i].len()]);
        let grads: Vec<&[f32]> = indices.iter().map(grad).collect();
        self.on(&indices, params, |applied, params| {
            applied.step(params, &grads, loss, valid, Scale::ONE.times(factor))
        })
    }

    /// [`Applied::flush`] for tensors of which something other than zeros has been gathered; the others are left alone.
    /// # Errors
    /// As [`Applied::flush`].
    pub fn flush_some(&mut self, params: &mut [&mut [f32]], factor: f32) -> Result<Report> {
        check(&self.layout, "params", params.iter().map(|p| p.len()))?;
        let pending = self.pending()?;
        let indices: Vec<_> = (0..pending.len()).filter(|&i| pending[i]).collect();
        if indices.is_empty() {
            return Ok(Report { is_applied: false, num_zeroed: 0, num_held: 0 });
        }
        self.on(&indices, params, |applied, params| applied.flush(params, Scale::ONE.times(factor)))
    }

    /// Calls `act` for the tensors of these indices alone, with their state.
    fn on(
        &mut self,
        indices: &[usize],
        params: &mut [&mut [f32]],
        act: impl FnOnce(&mut Self, &mut [&mut [f32]]) -> Result<Report>,
    ) -> Result<Report> {
        if indices.len() == params.len() {
            return act(self, params);
        }
        let is_here = |i: &usize| indices.binary_search(i).is_ok();
        let chosen = params.iter_mut().enumerate().filter(|(i, _)| is_here(i));
        let mut chosen: Vec<&mut [f32]> = chosen.map(|(_, p)| &mut **p).collect();
        let mut subset = match self.subset.take() {
            Some(subset) if subset.indices == indices => subset,
            _ => Subset::new(self, indices, &chosen)?,
        };
        let Subset { applied, slices, .. } = &mut subset;
        for (whole, part) in slices.iter() {
            applied.state.data[part.clone()].copy_from_slice(&self.state.data[whole.clone()]);
        }
        (applied.state.iteration, applied.state.num_steps) = (self.state.iteration, self.state.num_steps);
        let result = act(applied, &mut chosen);
        if result.as_ref().is_ok_and(|report| report.is_applied) {
            for (whole, part) in slices.iter() {
                self.state.data[whole.clone()].copy_from_slice(&applied.state.data[part.clone()]);
            }
            self.state.iteration = applied.state.iteration;
        }
        self.subset = Some(subset);
        result
    }

    /// Of which tensors gradients other than zeros have been gathered and not used.
    fn pending(&mut self) -> Result<Vec<bool>> {
        let starts = match self.sums.take() {
            Some(starts) => starts,
            None => self.find_sums()?,
        };
        let has_gathered = |i: usize| {
            let range = self.layout.range(i);
            starts
                .iter()
                .any(|at| self.state.data[at + range.start..at + range.end].iter().any(|&x| x != 0.0))
        };
        let pending = (0..self.layout.num_tensors()).map(has_gathered).collect();
        self.sums = Some(starts);
        Ok(pending)
    }

    fn find_sums(&self) -> Result<Vec<usize>> {
        let Some(state) = self.state_layout() else { return Ok(vec![]) };
        let is_sum =
            |name: &str| name == SUM || name.strip_suffix(SUM).is_some_and(|rest| rest.ends_with('/'));
        let named: Vec<_> = (0..state.num_tensors()).filter(|&k| is_sum(&state.specs()[k].name)).collect();
        if named.is_empty() {
            return Ok(vec![]);
        }
        // A tensor may have that name too.
        let owned = owned(&*self.optimizer, &self.layout, &state)?;
        let sums = named.into_iter().filter(|&k| owned[k] == Owned::Elements);
        Ok(sums.map(|k| state.range(k).start).collect())
    }
}

impl Subset {
    fn new(of: &Applied, indices: &[usize], params: &[&mut [f32]]) -> Result<Self> {
        let layout = of.layout.part(indices)?;
        let params: Vec<&[f32]> = params.iter().map(|p| &**p).collect();
        let (optimizer, theta) = (of.optimizer.clone(), of.theta.clone());
        let applied = Applied::with_layout(optimizer, theta, layout, &params, of.options)?;
        let mut slices = vec![];
        if let (Some(whole), Some(part)) = (of.state_layout(), applied.state_layout()) {
            let owned = owned(&*of.optimizer, &of.layout, &whole)?;
            let places = places(&whole);
            for (k, spec) in part.specs().iter().enumerate() {
                let from = *places.get(spec.name.as_str()).ok_or_else(|| unknown(&spec.name))?;
                let (from_at, to_at) = (whole.range(from).start, part.range(k).start);
                let mut add = |from: Range<usize>, to: Range<usize>| {
                    slices.push((from_at + from.start..from_at + from.end, to_at + to.start..to_at + to.end));
                };
                match owned[from] {
                    Owned::Whole => add(0..spec.len(), 0..spec.len()),
                    Owned::Elements => indices.iter().enumerate().for_each(|(to, &i)| {
                        add(of.layout.padded_range(i), applied.layout.padded_range(to));
                    }),
                    Owned::Rows(n) => indices.iter().enumerate().for_each(|(to, &i)| {
                        add(i * n..(i + 1) * n, to * n..(to + 1) * n);
                    }),
                }
            }
        }
        Ok(Self { indices: indices.to_vec(), applied: Box::new(applied), slices })
    }
}

/// Whose the numbers of every array of `state` are. An array over all parameters grows by the length of a tensor that is
/// added to the model, one of rows by a row, and the others do not grow.
fn owned(optimizer: &dyn Optimizer, params: &ParamLayout, state: &ParamLayout) -> Result<Vec<Owned>> {
    let with = |len: usize| {
        let longest = params.specs().iter().map(|spec| spec.name.len()).max().unwrap_or(0);
        let mut specs = params.specs().to_vec();
        specs.push(TensorSpec::new("+".repeat(longest + 1), [len]));
        ParamLayout::new(specs).map(|params| optimizer.state_layout(&params))
    };
    let (Some(short), Some(long)) = (with(ALIGN)?, with(3 * ALIGN)?) else { return Ok(vec![]) };
    let grown = [(places(&short), &short), (places(&long), &long)];
    let arrays = state.specs().iter().map(|spec| {
        let added = |(places, layout): &(HashMap<&str, usize>, &ParamLayout)| {
            places.get(spec.name.as_str()).and_then(|&k| layout.specs()[k].len().checked_sub(spec.len()))
        };
        match [added(&grown[0]), added(&grown[1])] {
            [Some(0), Some(0)] => Ok(Owned::Whole),
            [Some(a), Some(b)] if a == b && spec.len() == a * params.num_tensors() => Ok(Owned::Rows(a)),
            [Some(a), Some(b)] if b == a + 2 * ALIGN && spec.len() == params.padded_len() => {
                Ok(Owned::Elements)
            }
            _ => Err(unknown(&spec.name)),
        }
    });
    arrays.collect()
}

/// Where the arrays of a layout are in it, by name.
fn places(layout: &ParamLayout) -> HashMap<&str, usize> {
    layout.specs().iter().enumerate().map(|(k, spec)| (spec.name.as_str(), k)).collect()
}

fn unknown(name: &str) -> Error {
    let message = format!("a step of some tensors: expected to know whose the state `{name}` is");
    Error::new(ErrorCode::Internal, message)
}
