//! What wrappers of one optimizer share: all but what they do around its step.

use crate::error::Result;
use crate::optim::{Cost, Needs, Optimizer, StateMut, Step, Theta, ThetaSpec, Update};
use crate::params::{ParamLayout, TensorSpec};
use std::sync::Arc;

/// A wrapper's options.
pub(super) trait Wrap: Clone + Send + Sync + 'static {
    /// The wrapper at work.
    type Bound: Around + 'static;

    /// Its own arrays of state.
    fn arrays(&self, params: &ParamLayout) -> Vec<TensorSpec>;

    /// What it wants to be told, given what the inner optimizer wants.
    fn needs(&self, inner: Needs) -> Needs;

    /// Scratch for parameters of these shapes.
    fn bind(&self, params: &ParamLayout) -> Self::Bound;
}

/// What a wrapper does around the inner optimizer's step.
pub(super) trait Around: Send {
    /// One step; its state is the inner optimizer's, `own` the wrapper's arrays, one after the other.
    fn step(&mut self, step: Step<'_>, own: &mut [f32], inner: &mut dyn Update);

    /// What [`Update::flush`] does, likewise.
    fn flush(&mut self, step: Step<'_>, own: &mut [f32], inner: &mut dyn Update) -> bool;
}

/// [`Optimizer`] of a [`Wrap`] and what is inside.
pub(super) struct Wrapper<W> {
    pub(super) wrap: W,
    pub(super) inner: Arc<dyn Optimizer>,
}

/// The arrays of `optimizer` under a prefix.
pub(super) fn prefixed(prefix: &str, optimizer: &dyn Optimizer, params: &ParamLayout) -> Vec<TensorSpec> {
    let layout = optimizer.state_layout(params);
    let specs = layout.iter().flat_map(|layout| layout.specs());
    specs.map(|s| TensorSpec::new(format!("{prefix}/{}", s.name), s.shape.clone())).collect()
}

/// Floats of a state of these arrays.
pub(super) fn padded_len(arrays: Vec<TensorSpec>) -> usize {
    ParamLayout::new(arrays).map_or(0, |layout| layout.padded_len())
}

impl<W: Wrap> Optimizer for Wrapper<W> {
    fn theta_spec(&self) -> &ThetaSpec {
        self.inner.theta_spec()
    }

    fn state_layout(&self, params: &ParamLayout) -> Option<ParamLayout> {
        let mut arrays = self.wrap.arrays(params);
        arrays.extend(prefixed("inner", &*self.inner, params));
        ParamLayout::new(arrays).ok()
    }

    fn bind(&self, theta: Theta, params: &ParamLayout) -> Result<Box<dyn Update>> {
        let inner = self.inner.bind(theta, params)?;
        let own = padded_len(self.wrap.arrays(params));
        Ok(Box::new(Bound { around: self.wrap.bind(params), inner, own }))
    }

    fn cost(&self) -> Cost {
        self.inner.cost()
    }

    fn needs(&self) -> Needs {
        self.wrap.needs(self.inner.needs())
    }
}

struct Bound<A> {
    around: A,
    inner: Box<dyn Update>,
    /// Floats of the wrapper's own state.
    own: usize,
}

impl<A: Around> Update for Bound<A> {
    fn init(&mut self, params: &[f32], state: StateMut<'_>) {
        let StateMut { data, iteration, num_steps } = state;
        self.inner.init(params, StateMut { data: &mut data[self.own..], iteration, num_steps });
    }

    fn step(&mut self, step: Step<'_>) {
        let StateMut { data, iteration, num_steps } = step.state;
        let (own, data) = data.split_at_mut(self.own);
        let state = StateMut { data, iteration, num_steps };
        self.around.step(Step { state, ..step }, own, &mut *self.inner);
    }

    fn flush(&mut self, step: Step<'_>) -> bool {
        let StateMut { data, iteration, num_steps } = step.state;
        let (own, data) = data.split_at_mut(self.own);
        let state = StateMut { data, iteration, num_steps };
        self.around.flush(Step { state, ..step }, own, &mut *self.inner)
    }
}
