//! An update rule with factored second moments: for tensors of rank 2 and more, which have rows and columns, one set of
//! features, for the others another one; one network for both.

use super::factored::{self, DECAYS};
use super::features::{Arrays, Decay, Features};
use super::mlp::ParamMlp;
use super::rule::{Rule, Span, Wanted, spans_of};
use super::sides::{SideRule, SideWeights, Sides};
use super::transposed::{Transposed, state_shape, transpose_to, worked_shape};
use crate::params::{ParamLayout, TensorSpec};
use crate::simd::{LANES, Workers};
use crate::tensor::{Factoring, Run, blocks_of, clip, places_of, runs_of};
use std::ops::Range;

/// One tensor's shape and places, worked out once.
pub(in crate::lopt) struct TensorPlan {
    pub(in crate::lopt) params: Range<usize>,
    /// The elementwise arrays of the state, then those of rows and columns.
    pub(in crate::lopt) state: Range<usize>,
    runs: Vec<Run>,
    /// All runs, in blocks that threads may share.
    blocks: Vec<Range<usize>>,
    factoring: Option<Factoring>,
    /// See [`places_of`]; empty where nothing is factored.
    places: Vec<[u32; 2]>,
    /// Parts that are normalised by themselves.
    pub(in crate::lopt) spans: Vec<Span>,
    /// Rows and columns of a matrix that is worked on as its transpose.
    transposed: Option<[usize; 2]>,
}

impl TensorPlan {
    /// Plans tensor `i`, whose state starts at `at`. `arrays` are the elementwise arrays of a factored tensor, of one that is
    /// not; every matrix of the last two axes is a span, if `by_matrix`.
    pub(in crate::lopt) fn new(
        params: &ParamLayout,
        i: usize,
        at: usize,
        arrays: [usize; 2],
        by_matrix: bool,
    ) -> Self {
        let spec = &params.specs()[i];
        let padded = |len: usize| len.next_multiple_of(LANES);
        let worked = worked_shape(&spec.shape);
        let (runs, factoring) = runs_of(&worked);
        let floats = match &factoring {
            Some(f) => arrays[0] * padded(spec.len()) + DECAYS * (padded(f.row_len) + padded(f.col_len)),
            None => arrays[1] * padded(spec.len()),
        };
        let span_len = match spec.shape[..] {
            [.., rows, cols] if by_matrix => rows * cols,
            _ => spec.len(),
        };
        let transposed = match spec.shape[..] {
            [rows, cols] if worked != spec.shape => Some([rows, cols]),
            _ => None,
        };
        let spans = spans_of(spec.len(), span_len, &runs);
        let blocks = blocks_of(&runs, 0..runs.len());
        let places = factoring.as_ref().map_or(vec![], |f| places_of(&runs, f));
        Self {
            params: params.padded_range(i),
            state: at..at + floats,
            runs,
            blocks,
            factoring,
            places,
            spans,
            transposed,
        }
    }
}

/// Arrays of the state of a tensor in the order of a [`TensorPlan`]: momenta, the second moment, and the factored second
/// moments, of rows and of columns or of all elements.
pub(in crate::lopt) fn state_arrays(spec: &TensorSpec, momenta: usize) -> Vec<TensorSpec> {
    let mut arrays = vec![];
    let mut add = |name: String, shape: &[usize]| {
        arrays.push(TensorSpec::new(format!("{name}/{}", spec.name), shape));
    };
    let shape = state_shape(&spec.shape);
    (0..momenta).for_each(|k| add(format!("momentum{k}"), &shape));
    add("square".into(), &shape);
    match runs_of(&spec.shape).1 {
        Some(f) => {
            (0..DECAYS).for_each(|k| add(format!("row{k}"), &[f.row_len]));
            (0..DECAYS).for_each(|k| add(format!("col{k}"), &[f.col_len]));
        }
        None => (0..DECAYS).for_each(|k| add(format!("diagonal{k}"), &shape)),
    }
    arrays
}

/// Decays and weights of a rule.
pub(in crate::lopt) struct Parts<'a> {
    /// Decays of the momenta and of the second moment.
    pub(in crate::lopt) elementwise: &'a [Decay],
    /// Decays of the factored second moments.
    pub(in crate::lopt) factored: [Decay; DECAYS],
    /// First layer's weights of the channels: of a factored tensor, of one that is not.
    pub(in crate::lopt) weights: [Vec<f32>; 2],
    pub(in crate::lopt) side_weights: SideWeights,
    /// Added to the mean square of whatever is normalised.
    pub(in crate::lopt) floor: f32,
    /// Gradients are clipped to ± this.
    pub(in crate::lopt) gradient_bound: Option<f32>,
}

/// All weights of the network that a tensor goes through, but for the first layer's bias, to be replaced.
pub(in crate::lopt) struct WeightsMut<'a> {
    /// First layer's weights of the channels.
    pub(in crate::lopt) channels: &'a mut [f32],
    /// Those of rows and columns, if the tensor is factored.
    pub(in crate::lopt) sides: Option<&'a mut SideWeights>,
    /// Has the other layers.
    pub(in crate::lopt) mlp: &'a mut ParamMlp,
}

/// Features of factored tensors `F` and of others `P`.
pub(in crate::lopt) struct FactoredRule<F, P> {
    factored: Rule<F>,
    plain: Rule<P>,
    sides: Sides,
    transposed: Transposed,
}

impl<F: Features, P: Features> FactoredRule<F, P> {
    /// A rule for the given tensors; `mlp` makes a network with so many channels.
    pub(in crate::lopt) fn new<'a>(
        parts: Parts<'_>,
        mlp: impl Fn(usize) -> ParamMlp,
        plans: impl Iterator<Item = &'a TensorPlan> + Clone,
    ) -> Self {
        let Parts { elementwise, factored, weights: [ours, others], side_weights, floor, gradient_bound } =
            parts;
        let longest = |is_factored: bool| {
            let plans = plans.clone().filter(|p| p.factoring.is_some() == is_factored);
            plans.map(|p| p.params.len()).max().unwrap_or(0)
        };
        let all = [elementwise, &factored].concat();
        let decays = factored.map(|d| [d.beta, d.complement]);
        let side_rule = SideRule { gradient_bound, clip: F::CLIP, decays, weights: side_weights, floor };
        Self {
            factored: Rule::new(elementwise, ours, floor, mlp(F::CHANNELS), longest(true)),
            plain: Rule::new(&all, others, floor, mlp(P::CHANNELS), longest(false)),
            sides: Sides::new(plans.clone().filter_map(|p| p.factoring.as_ref()), side_rule),
            transposed: Transposed::new(plans.filter_map(|p| p.transposed)),
        }
    }

    /// The weights that a tensor's next step takes.
    pub(in crate::lopt) fn weights_mut(&mut self, plan: &TensorPlan) -> WeightsMut<'_> {
        if plan.factoring.is_some() {
            let (channels, mlp) = self.factored.weights_mut();
            return WeightsMut { channels, sides: Some(self.sides.weights_mut()), mlp };
        }
        let (channels, mlp) = self.plain.weights_mut();
        WeightsMut { channels, sides: None, mlp }
    }

    /// One step of a tensor, whose padded arrays these are; `bias` is the first layer's. Directions go to their places in
    /// the tensor.
    pub(in crate::lopt) fn run(
        &mut self,
        workers: Workers<'_>,
        plan: &TensorPlan,
        arrays: Arrays<'_>,
        bias: &[f32],
        mut wanted: Wanted<'_>,
    ) {
        let Arrays { params, grads, state } = arrays;
        let cpu = workers.cpu();
        let Some(factoring) = &plan.factoring else {
            if let Some(bound) = self.sides.gradient_bound() {
                clip(workers, grads, bound);
            }
            let mut arrays = Arrays { params, grads, state };
            let wanted = wanted.within(0..plan.spans[0].len);
            return self.plain.run(workers, &mut arrays, (&plan.runs, &plan.spans[0]), None, bias, wanted);
        };
        let Some(shape) = plan.transposed else {
            return self.run_factored(
                workers,
                plan,
                factoring,
                Arrays { params, grads, state },
                bias,
                wanted,
            );
        };
        let mut transposed = std::mem::take(&mut self.transposed);
        transposed.take(cpu, shape, params, grads);
        let [rows, cols] = shape;
        let n = rows * cols;
        let Transposed { params: p, grads: g, directions } = &mut transposed;
        let arrays = Arrays { params: &mut p[..n], grads: &mut g[..n], state };
        match wanted {
            Wanted::Step { .. } | Wanted::Nominal { .. } => {
                self.run_factored(workers, plan, factoring, arrays, bias, wanted);
                transpose_to(cpu, [cols, rows], p, params);
            }
            Wanted::Direction { out, exp_mult } => {
                let wanted = Wanted::Direction { out: &mut directions[..n], exp_mult };
                self.run_factored(workers, plan, factoring, arrays, bias, wanted);
                transpose_to(cpu, [cols, rows], directions, out);
            }
        }
        self.transposed = transposed;
    }

    fn run_factored(
        &mut self,
        workers: Workers<'_>,
        plan: &TensorPlan,
        factoring: &Factoring,
        arrays: Arrays<'_>,
        bias: &[f32],
        mut wanted: Wanted<'_>,
    ) {
        let Arrays { params, grads, state } = arrays;
        let (elementwise, rest) = state.split_at_mut((F::MOMENTA + F::SQUARES) * params.len());
        let [mut row, mut col] = factored::accumulators(rest, factoring);
        let accumulators = [row.each_mut().map(|a| &mut **a), col.each_mut().map(|a| &mut **a)];
        let sums = self.sides.update(workers, grads, (&plan.runs, &plan.blocks), factoring, accumulators);
        let accumulators = [row.each_ref().map(|a| &**a), col.each_ref().map(|a| &**a)];
        let lens = [factoring.row_len, factoring.col_len];
        for span in &plan.spans {
            let means = if let [_] = plan.spans[..] {
                // Every place counts equally often, so the mean over the elements is that over the places.
                std::array::from_fn(|which| sums[which].map(|s| s.map(|s| s / lens[which] as f32)))
            } else {
                self.sides.mean_squares(&plan.runs, span, factoring, accumulators)
            };
            self.sides.fold(workers.cpu(), bias, accumulators, lens, means);
            let sides = Some(self.sides.pointers(factoring, &plan.places));
            let mut arrays = Arrays { params: &mut *params, grads: &mut *grads, state: &mut *elementwise };
            self.factored.run(
                workers,
                &mut arrays,
                (&plan.runs, span),
                sides,
                bias,
                wanted.within(span.range()),
            );
        }
    }
}
