//! The parts of a recurrent network per parameter: its cells, their state, and what they see of a gradient.

use crate::optim::rounding;
use crate::params::{ParamLayout, TensorSpec};
use crate::simd::{Simd, ln};

/// Numbers that a gradient becomes.
pub(in crate::lopt) const INPUTS: usize = 2;

/// What a layer is made of; x̂ = [x, h].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::lopt) enum Cell {
    /// z, r = σ(x̂·W + b); a = tanh([x, r·h]·W + b); h ← (1−z)·h + z·a. W has columns z, r, a.
    Gru,
    /// i, g, f, o = x̂·W + b; c ← σ(f+1)·c + σ(i)·tanh(g); h ← σ(o)·tanh(c).
    Lstm,
}

impl Cell {
    /// Columns of its weights for every unit.
    pub(in crate::lopt) fn gates(self) -> usize {
        match self {
            Self::Gru => 3,
            Self::Lstm => 4,
        }
    }

    /// Arrays of the state for every unit.
    pub(in crate::lopt) fn arrays(self) -> usize {
        match self {
            Self::Gru => 1,
            Self::Lstm => 2,
        }
    }
}

/// Arrays of the state in the order in which [`super::param_rnn`] reads them: of every layer `hidden<layer>_<unit>`, then for an
/// LSTM `cell<layer>_<unit>`.
pub(in crate::lopt) fn state_layout(
    params: &ParamLayout,
    cell: Cell,
    layers: usize,
    hidden: usize,
) -> Option<ParamLayout> {
    let mut arrays = vec![];
    for layer in 0..layers {
        for name in &["hidden", "cell"][..cell.arrays()] {
            let array = |unit: usize| TensorSpec::new(format!("{name}{layer}_{unit}"), [params.padded_len()]);
            arrays.extend((0..hidden).map(array));
        }
    }
    ParamLayout::new(arrays).ok()
}

/// Weights of a layer: `w: [inputs + hidden, gates * hidden]`.
pub(in crate::lopt) struct Layer {
    pub(in crate::lopt) w: Vec<f32>,
    pub(in crate::lopt) b: Vec<f32>,
}

/// A gradient as sign and magnitude: (ln|g|/range, sign g) where |g| ≥ e^−range, else (−1, e^range·g).
#[derive(Clone, Copy)]
pub(in crate::lopt) struct Preprocess {
    range: f32,
    /// e^−range.
    small: f32,
    /// e^range.
    large: f32,
}

impl Preprocess {
    pub(in crate::lopt) fn new(range: f32) -> Self {
        Self { range, small: rounding::exp(-range), large: rounding::exp(range) }
    }

    #[inline(always)]
    pub(in crate::lopt) fn of<S: Simd>(self, s: S, g: S::V) -> [S::V; 2] {
        let size = s.abs(g);
        let sign = s.or(s.xor(g, size), s.splat(1.0));
        // What is not a number is not smaller, and its logarithm is not a number.
        let is_small = s.gt(s.splat(self.small), size);
        let first = s.select(is_small, s.splat(-1.0), s.div(ln(s, size), s.splat(self.range)));
        let second = s.select(is_small, s.mul(g, s.splat(self.large)), sign);
        [first, second]
    }
}
