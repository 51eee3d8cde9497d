//! SM3: a vector of squares for every axis instead of a second moment. a = g² + the least of the axes' squares at an
//! element; u = g/√(a + 1e-8), 0 where a is 0; every vector becomes the largest a over the other axes; then
//! τ ← momentum·τ + (1 − momentum)·u and p ← p − lr·τ.
//!
//! # References
//! Anil, Gupta, Koren, Singer 2019, arXiv:1901.11150. As optax's `sm3` (google-deepmind/optax, 0.2.4) with b2 = 1, which
//! is its default; a scalar counts as a vector of one. No differences but rounding; b2 below 1 is left out.

use super::elementwise::{Elementwise, MAX_ARRAYS, Sweep};
use super::mean_decay::MeanDecay;
use super::options::options;
use super::{
    Config, Cost, GradRange, Needs, Optimizer, Overwrites, StateMut, Step, Theta, ThetaSpec, Update,
};
use crate::error::Result;
use crate::params::{ALIGN, ParamLayout, TensorSpec};
use crate::simd::{AlignedVec, Kernel, Simd, rsqrt};
use std::ops::Range;
use std::sync::Arc;

/// Added inside the root.
const EPS: f32 = 1e-8;

options! {
    /// SM3 (Anil et al. 2019, arXiv:1901.11150): second moments bounded by a vector for every axis; steps along the
    /// mean over time of g/√bound.
    pub struct Sm3 {
        /// Learning rate.
        lr: f64 => Range::Positive;
        /// Decay of the mean of directions.
        momentum: f64 = 0.9 => Range::Fraction;
    }
}

impl Config for Sm3 {
    fn build(self) -> Result<Arc<dyn Optimizer>> {
        Ok(Arc::new(Sm3Optimizer { config: self, theta: ThetaSpec::default() }))
    }
}

struct Sm3Optimizer {
    config: Sm3,
    theta: ThetaSpec,
}

/// Its axes; a scalar has one of length 1.
fn axes(spec: &TensorSpec) -> Vec<usize> {
    if spec.shape.is_empty() { vec![1] } else { spec.shape.clone() }
}

impl Optimizer for Sm3Optimizer {
    fn theta_spec(&self) -> &ThetaSpec {
        &self.theta
    }

    fn state_layout(&self, params: &ParamLayout) -> Option<ParamLayout> {
        let mut arrays = vec![TensorSpec::new("nu", [params.padded_len()])];
        for spec in params.specs() {
            let array = |(k, len)| TensorSpec::new(format!("mu/{}/{k}", spec.name), [len]);
            arrays.extend(axes(spec).into_iter().enumerate().map(array));
        }
        ParamLayout::new(arrays).ok()
    }

    fn bind(&self, theta: Theta, params: &ParamLayout) -> Result<Box<dyn Update>> {
        self.theta.check(&theta)?;
        let mut at = params.padded_len();
        let tensors = params.specs().iter().map(|spec| {
            let shape = axes(spec);
            let (start, mut place) = (at, 0);
            let places = shape.iter().map(|len| {
                let here = place;
                place += len.next_multiple_of(ALIGN);
                here
            });
            let places = places.collect();
            at += place;
            Tensor { len: spec.len(), state: start..at, shape, places }
        });
        let tensors: Vec<_> = tensors.collect();
        let longest = tensors.iter().map(|t| t.state.len()).max().unwrap_or(0);
        let bound = Bound {
            config: self.config.clone(),
            params: params.clone(),
            tensors,
            next: AlignedVec::zeros(longest),
        };
        Ok(Box::new(bound))
    }

    fn cost(&self) -> Cost {
        Cost { state_floats: 1, macs: 0 }
    }

    fn needs(&self) -> Needs {
        let grad_range = GradRange::SQUARES;
        Needs { overwrites_grads: Overwrites::Always, grad_range, ..Needs::default() }
    }
}

struct Tensor {
    len: usize,
    state: Range<usize>,
    shape: Vec<usize>,
    /// Where the vectors of the axes are in the state.
    places: Vec<usize>,
}

struct Bound {
    config: Sm3,
    params: ParamLayout,
    tensors: Vec<Tensor>,
    /// The squares that will be.
    next: AlignedVec,
}

impl Update for Bound {
    fn init(&mut self, _: &[f32], _: StateMut<'_>) {}

    fn step(&mut self, step: Step<'_>) {
        let Step { workers, state, mut params, mut grads, scale, .. } = step;
        *state.iteration += 1;
        let stride = self.params.padded_len();
        let (momenta, squares) = state.data.split_at_mut(stride);
        let momentum = MeanDecay::new(self.config.momentum);
        let kernel = Mean { beta: momentum.beta(), complement: momentum.complement() };
        for (i, tensor) in self.tensors.iter().enumerate() {
            let from = tensor.state.start - stride;
            let squares = &mut squares[from..][..tensor.state.len()];
            let next = &mut self.next[..squares.len()];
            next.fill(0.0);
            let Tensor { len, shape, places, .. } = tensor;
            let range = self.params.padded_range(i);
            let (p, g) = (params.get(i, &range), grads.get(i, &range));
            workers.cpu().run(Direct { grads: &mut g[..*len], squares, next, shape, places });
            squares.copy_from_slice(next);
            let rate = self.config.lr as f32 * scale.of(i);
            Sweep::new(kernel, p, g, &mut momenta[range.start..], stride).run(workers, rate);
        }
    }
}

/// τ ← β·τ + (1 − β)·u.
#[derive(Clone, Copy)]
struct Mean {
    beta: f32,
    complement: f32,
}

impl Elementwise for Mean {
    const ARRAYS: usize = 1;

    #[inline(always)]
    fn direction<S: Simd>(self, s: S, _: S::V, u: S::V, state: &mut [S::V; MAX_ARRAYS]) -> S::V {
        state[0] = s.fma(s.splat(self.beta), state[0], s.mul(s.splat(self.complement), u));
        state[0]
    }
}

/// g ← g/√(a + 1e-8), line by line along the last axis, and `next` the largest a of every place of every axis.
struct Direct<'a> {
    grads: &'a mut [f32],
    squares: &'a [f32],
    next: &'a mut [f32],
    shape: &'a [usize],
    places: &'a [usize],
}

/// The greater of two; NaN if either is, of numbers that are not negative.
#[inline(always)]
fn greater<S: Simd>(s: S, a: S::V, b: S::V) -> S::V {
    // Each order returns its second operand where one is NaN, and the bits of NaN survive the union.
    s.or(s.max(a, b), s.max(b, a))
}

/// The same for one number.
#[inline(always)]
fn greater_of(a: f32, b: f32) -> f32 {
    if a > b || a.is_nan() { a } else { b }
}

impl Kernel for Direct<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { grads, squares, next, shape, places } = self;
        let end = shape.len() - 1;
        let (last, len) = (places[end], shape[end]);
        assert!(
            last + len <= squares.len() && next.len() == squares.len() && grads.len().is_multiple_of(len)
        );
        for line in 0..grads.len() / len {
            let mut least = f32::INFINITY;
            let mut rest = line;
            for axis in (0..end).rev() {
                let square = squares[places[axis] + rest % shape[axis]];
                rest /= shape[axis];
                least = if square < least || square.is_nan() { square } else { least };
            }
            let (floor, zero) = (s.splat(least), s.splat(0.0));
            let mut largest = zero;
            let mut at = 0;
            while at < len {
                let n = (len - at).min(S::WIDTH);
                // SAFETY: `n` elements remain in the line and in the last axis' vector.
                unsafe {
                    let place = grads.as_mut_ptr().add(line * len + at);
                    let g = s.load_first(place, n);
                    let old = s.load_first(squares.as_ptr().add(last + at), n);
                    // Held to what f32 has: an infinite square would end all steps.
                    let a = s.min(s.splat(f32::MAX), s.fma(g, g, s.min(floor, old)));
                    let u = s.mul(g, rsqrt(s, s.add(a, s.splat(EPS))));
                    // 0 where a is 0; NaN where it is NaN.
                    s.store_first(place, s.select(s.gt(a, zero), u, s.mul(a, u)), n);
                    let above = next.as_mut_ptr().add(last + at);
                    let a = s.select(s.first(n), a, zero);
                    s.store_first(above, greater(s, a, s.load_first(above, n)), n);
                    largest = greater(s, a, largest);
                }
                at += S::WIDTH;
            }
            let mut lanes = [0.0; crate::simd::LANES];
            // SAFETY: a register is at most [`LANES`] wide.
            unsafe { s.store(lanes.as_mut_ptr(), largest) };
            let mut largest = 0.0;
            for lane in lanes {
                largest = greater_of(lane, largest);
            }
            let mut rest = line;
            for axis in (0..end).rev() {
                let place = &mut next[places[axis] + rest % shape[axis]];
                rest /= shape[axis];
                *place = greater_of(*place, largest);
            }
        }
    }
}
