//! The bank of per-parameter networks of VeLO and Celo, and the network that is mixed of it for a tensor.
//!
//! W = factor·mean over the bank of controlᵢ·Wᵢ for every weight; all leaves of theta have the bank as their first axis.

use crate::lopt::engine::factored_rule::WeightsMut;
use crate::lopt::engine::features::Features;
use crate::lopt::engine::velo_features::{
    CHANNELS, DiagonalFeatures, FactoredFeatures, GROUPS, HIDDEN, RAW, SIDE_GROUPS, Velo,
};
use crate::optim::{Leaf, LeafInit, Theta, ThetaSpec};
use crate::params::TensorSpec;
use crate::simd::{Cpu, GemmInit, MatMut, MatRef, gemm};
use std::ops::Range;

/// Outputs; the third has no use.
pub(super) const OUTPUTS: usize = 3;
/// Inputs of the first layer, all groups together.
const INPUTS: usize = 30;
/// Weights of one network.
const LEN: usize = 2 * HIDDEN + OUTPUTS + INPUTS * HIDDEN + HIDDEN * HIDDEN + HIDDEN * OUTPUTS;
/// Multiply-adds of one parameter.
pub(super) const MACS: usize = INPUTS * HIDDEN + HIDDEN * HIDDEN + HIDDEN * OUTPUTS;

/// Name, shape and initialiser of a network's leaves, in the order of the published files.
fn network() -> Vec<(String, Vec<usize>, LeafInit)> {
    let normal = |inputs: usize| LeafInit::TruncatedNormal(1.0 / (inputs as f64).sqrt());
    let mut leaves: Vec<_> = [("b0", HIDDEN), ("b1", HIDDEN), ("b2", OUTPUTS)]
        .map(|(name, len)| (name.to_owned(), vec![len], LeafInit::Zero))
        .into();
    let group =
        |(i, &channels): (usize, &usize)| (format!("w0__{i}"), vec![channels, HIDDEN], normal(INPUTS));
    let mut groups: Vec<_> = GROUPS.iter().enumerate().map(group).collect();
    groups.sort_by(|a, b| a.0.cmp(&b.0));
    leaves.extend(groups);
    leaves.push(("w1".into(), vec![HIDDEN, HIDDEN], normal(HIDDEN)));
    leaves.push(("w2".into(), vec![HIDDEN, OUTPUTS], normal(HIDDEN)));
    leaves
}

/// Leaves of theta for a bank of `inits` networks.
pub(super) fn leaves(inits: usize) -> Vec<(TensorSpec, LeafInit)> {
    let leaf = |(name, shape, init): (String, Vec<usize>, LeafInit)| {
        (TensorSpec::new(format!("ff_mod_stack/~/{name}"), [&[inits], &shape[..]].concat()), init)
    };
    network().into_iter().map(leaf).collect()
}

/// The bank bound to theta, and the networks mixed of it.
pub(super) struct Bank {
    inits: usize,
    /// Every leaf, and where it lies in a mixed network.
    leaves: Vec<(Leaf, usize)>,
    /// Places of b0, b1, w1, b2, w2 and the groups in a mixed network.
    layers: [Range<usize>; 5],
    groups: [Range<usize>; GROUPS.len()],
    /// `[rows, LEN]`.
    mixed: Vec<f32>,
}

impl Bank {
    /// The bank, and `rows` networks that are its first.
    pub(super) fn new(spec: &ThetaSpec, theta: &Theta, inits: usize, rows: usize) -> Self {
        let (mut leaves, mut places, mut at) = (vec![], vec![], 0);
        for (name, shape, _) in network() {
            let len: usize = shape.iter().product();
            leaves.push((spec.share(theta, &format!("ff_mod_stack/~/{name}")), at));
            places.push((name, at..at + len));
            at += len;
        }
        let place =
            |name: &str| places.iter().find(|(n, _)| n == name).map_or(0..0, |(_, place)| place.clone());
        let first = leaves.iter().flat_map(|(leaf, _): &(Leaf, usize)| &leaf[..leaf.len() / inits]);
        let first: Vec<f32> = first.copied().collect();
        Self {
            inits,
            layers: ["b0", "b1", "w1", "b2", "w2"].map(place),
            groups: std::array::from_fn(|i| place(&format!("w0__{i}"))),
            mixed: first.repeat(rows),
            leaves,
        }
    }

    /// Mixes the networks of all rows; `controls: [rows, inits]`, with factor and number of networks in them.
    pub(super) fn mix(&mut self, cpu: Cpu, controls: &[f32]) {
        let rows = self.mixed.len() / LEN;
        for (leaf, at) in &self.leaves {
            let n = leaf.len() / self.inits;
            cpu.run(gemm(
                [rows, n, self.inits],
                MatRef { data: controls, row: self.inits, col: 1 },
                MatRef { data: leaf, row: n, col: 1 },
                MatMut { data: &mut self.mixed[*at..], row: LEN },
                GemmInit::Zero,
            ));
        }
    }

    /// The first layer's bias of a row's network.
    pub(super) fn bias(&self, row: usize) -> &[f32] {
        &self.network(row)[self.layers[0].clone()]
    }

    fn network(&self, row: usize) -> &[f32] {
        &self.mixed[row * LEN..][..LEN]
    }

    /// Writes a row's network where a rule wants it.
    pub(super) fn write(&self, row: usize, to: WeightsMut<'_>) {
        let network = self.network(row);
        let group = |g: usize| &network[self.groups[g].clone()];
        let WeightsMut { channels, sides, mlp } = to;
        let (raw, made) = CHANNELS.split_at(RAW.len());
        let (to_raw, rest) = channels.split_at_mut(RAW.len() * HIDDEN);
        let (to_q, to_made) = rest.split_at_mut(rest.len() - made.len() * HIDDEN);
        for (to, &(g, i)) in to_raw.chunks_exact_mut(HIDDEN).zip(raw) {
            to.copy_from_slice(&group(g)[i * HIDDEN..][..HIDDEN]);
        }
        for (to, &(g, i)) in to_made.chunks_exact_mut(HIDDEN).zip(made) {
            to.copy_from_slice(&group(g)[i * HIDDEN..][..HIDDEN]);
        }
        match sides {
            Some(sides) => {
                for (to, from) in sides.iter_mut().flatten().zip(SIDE_GROUPS.iter().flatten()) {
                    to.copy_from_slice(group(*from));
                }
            }
            // Where nothing is factored, rows and columns both see the same accumulator.
            None => {
                for (to, [a, b]) in to_q.chunks_exact_mut(group(9).len()).zip(SIDE_GROUPS) {
                    for ((to, a), b) in to.iter_mut().zip(group(a)).zip(group(b)) {
                        *to = a + b;
                    }
                }
            }
        }
        let [_, layers @ ..] = self.layers.each_ref().map(|place| &network[place.clone()]);
        let [b1, w1, b2, w2] = layers;
        mlp.set_layers([w1, b1, w2, b2], OUTPUTS);
    }
}

/// Weights of a rule before any were written.
pub(super) fn no_weights() -> ([Vec<f32>; 2], [[Vec<f32>; 2]; 2]) {
    let channels = [FactoredFeatures::<Velo>::CHANNELS, DiagonalFeatures::CHANNELS];
    let sides = SIDE_GROUPS.map(|kinds| kinds.map(|g| vec![0.0; GROUPS[g] * HIDDEN]));
    (channels.map(|n| vec![0.0; n * HIDDEN]), sides)
}
