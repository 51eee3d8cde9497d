//! Features of one parameter in VeLO, Celo and Celo2: fourteen groups, thirty channels (spec: learned_optimizers §2 f).
//!
//! Groups: 0 g; 1 g clipped to ±0.1; 2 p; 3 momenta m; 4 second moment v; 5 m·s; 6 s = rsqrt(v + floor); 7 g·R·C; 8 g·s;
//! 9 row and 10 column accumulators; 11, 12 their reciprocal roots; 13 m·R·C. Groups 9 to 12 are constant along rows or
//! columns and no channels here. A tensor that is not factored has accumulators of all elements, q, instead of both sides:
//! in Celo2 groups 9 to 13 are absent then, in VeLO and Celo they are q, q, rsqrt(q + 1e-8) twice, and m·q^(−½).

use super::factored::{DECAYS, FEATURE_FLOOR};
use super::features::{
    Features, Inputs, MAX_CHANNELS, MAX_KEPT, MAX_MADE, Pass, Source, Square, Squares, squares,
};
use crate::simd::{Simd, rsqrt};
use std::marker::PhantomData;

/// Width of both hidden layers.
pub(in crate::lopt) const HIDDEN: usize = 4;
/// Channels of the groups.
pub(in crate::lopt) const GROUPS: [usize; 14] = [1, 1, 1, 3, 1, 3, 1, 3, 1, 3, 3, 3, 3, 3];
/// Decays of momentum and of the factored second moment.
pub(in crate::lopt) const DECAY_RATES: [f32; DECAYS] = [0.9, 0.99, 0.999];
/// Gradients are clipped to ± this.
pub(in crate::lopt) const GRADIENT_BOUND: f32 = 1000.0;
/// The clipped gradient that is a channel is within ± this.
const CLIP: f32 = 0.1;
/// Added to every squared gradient of a diagonal accumulator, and to the accumulator inside its root.
pub(in crate::lopt) const SQUARE_FLOOR: f32 = 1e-30;
pub(in crate::lopt) const DIAGONAL_FLOOR: f32 = 1e-9;

/// Group and place in it that the channels' weights have in theta: those that are arrays, then those that are computed.
pub(in crate::lopt) const CHANNELS: [(usize, usize); 18] = [
    (0, 0),
    (2, 0),
    (4, 0),
    (6, 0),
    (3, 0),
    (3, 1),
    (3, 2),
    (1, 0),
    (8, 0),
    (5, 0),
    (5, 1),
    (5, 2),
    (7, 0),
    (7, 1),
    (7, 2),
    (13, 0),
    (13, 1),
    (13, 2),
];
/// Groups of the accumulators of rows and of columns, then of their reciprocal roots.
pub(in crate::lopt) const SIDE_GROUPS: [[usize; 2]; 2] = [[9, 10], [11, 12]];
/// Gradient, parameter, second moment and its reciprocal root, momenta.
pub(in crate::lopt) const RAW: [Source; 7] = [
    Source::Grad,
    Source::Param,
    Source::State(DECAYS),
    Source::Kept(0),
    Source::State(0),
    Source::State(1),
    Source::State(2),
];
/// Channels that are computed.
pub(in crate::lopt) const MADE: usize = CHANNELS.len() - RAW.len();

/// What optimizers with these features differ in.
pub(in crate::lopt) trait Kind: Send + Sync + 'static {
    /// Units of the network's hidden layers, where kernels are made for them.
    const HIDDEN: Option<usize>;
    /// Added inside the reciprocal root of the second moment.
    const SECOND_MOMENT_FLOOR: f32;
}

/// VeLO and Celo.
pub(in crate::lopt) struct Velo;

impl Kind for Velo {
    const HIDDEN: Option<usize> = Some(HIDDEN);
    const SECOND_MOMENT_FLOOR: f32 = 1e-6;
}

/// rsqrt(v + floor).
#[inline(always)]
pub(in crate::lopt) fn root<K: Kind, S: Simd>(s: S, x: &Inputs<S>) -> S::V {
    rsqrt(s, s.add(x.state[DECAYS], s.splat(K::SECOND_MOMENT_FLOOR)))
}

/// The computed channels; `f` scales the gradient, `h` the momenta.
#[inline(always)]
pub(in crate::lopt) fn make<S: Simd>(
    s: S,
    x: &Inputs<S>,
    f: [S::V; DECAYS],
    h: [S::V; DECAYS],
) -> [S::V; MAX_MADE] {
    let (g, [m0, m1, m2, ..], root) = (x.g, x.state, x.kept[0]);
    [
        s.clamp(g, -CLIP, CLIP),
        s.mul(g, root),
        s.mul(m0, root),
        s.mul(m1, root),
        s.mul(m2, root),
        s.mul(g, f[0]),
        s.mul(g, f[1]),
        s.mul(g, f[2]),
        s.mul(m0, h[0]),
        s.mul(m1, h[1]),
        s.mul(m2, h[2]),
        g,
    ]
}

/// Channels of a factored tensor.
pub(in crate::lopt) struct FactoredFeatures<K>(PhantomData<K>);

impl<K: Kind> Features for FactoredFeatures<K> {
    const MOMENTA: usize = DECAYS;
    const SQUARES: usize = 1;
    const KEPT: usize = 1;
    const RAW: &'static [Source] = &RAW;
    const HIDDEN: Option<usize> = K::HIDDEN;
    const MADE: usize = MADE;
    const CLIP: Option<f32> = Some(CLIP);
    const PASSES: &'static [Pass] = &[
        Pass { state: (DECAYS, DECAYS + 1), kept: (0, 1), is_factored: false, channels: &[0, 1, 2, 7] },
        Pass { state: (0, DECAYS), kept: (0, 0), is_factored: false, channels: &[3, 8, 4, 5, 6, 9, 10, 11] },
        Pass { state: (0, 0), kept: (0, 0), is_factored: true, channels: &[12, 13, 14, 15, 16, 17] },
    ];

    #[inline(always)]
    fn keep<S: Simd>(s: S, x: &Inputs<S>) -> [S::V; MAX_KEPT] {
        [root::<K, S>(s, x); MAX_KEPT]
    }

    #[inline(always)]
    fn make<S: Simd>(s: S, x: &Inputs<S>) -> [S::V; MAX_MADE] {
        make(s, x, x.factors, x.factors)
    }

    #[inline(always)]
    fn squares<S: Simd>(s: S, x: &Inputs<S>) -> [Square<S>; MAX_CHANNELS] {
        let [p, v] = [x.p, x.state[DECAYS]].map(Square::Of);
        let Squares { g, root, momenta, by_root: [by_root @ .., m0, m1, m2], by_factors } = squares(s, x);
        let clipped = Square::Is(s.min(g, s.splat(CLIP * CLIP)));
        let [g, root] = [g, root].map(Square::Is);
        let mut out = [g; MAX_CHANNELS];
        out[1..4].copy_from_slice(&[p, v, root]);
        out[4..7].copy_from_slice(&momenta.map(Square::Is));
        out[7..9].copy_from_slice(&[clipped, by_root[0]]);
        let products = [[m0, m1, m2], by_factors[0], by_factors[1]];
        out[9..18].copy_from_slice(products.as_flattened());
        out
    }
}

/// Channels of a tensor of VeLO or Celo that is not factored: after the arrays q and rsqrt(q + 1e-8), each in place of two
/// groups.
pub(in crate::lopt) struct DiagonalFeatures;

impl Features for DiagonalFeatures {
    const MOMENTA: usize = DECAYS;
    const SQUARES: usize = 1 + DECAYS;
    /// The second moment's root; then rsqrt(q + 1e-9), q^(−½) and rsqrt(q + 1e-8) of every accumulator.
    const KEPT: usize = 1 + 3 * DECAYS;
    const RAW: &'static [Source] = &[
        RAW[0],
        RAW[1],
        RAW[2],
        RAW[3],
        RAW[4],
        RAW[5],
        RAW[6],
        Source::State(DECAYS + 1),
        Source::State(DECAYS + 2),
        Source::State(DECAYS + 3),
        Source::Kept(1 + 2 * DECAYS),
        Source::Kept(2 + 2 * DECAYS),
        Source::Kept(3 + 2 * DECAYS),
    ];
    const HIDDEN: Option<usize> = Velo::HIDDEN;
    const MADE: usize = MADE;
    const PASSES: &'static [Pass] = &[
        Pass {
            state: (DECAYS, 2 * DECAYS + 1),
            kept: (0, Self::KEPT),
            is_factored: false,
            channels: &[0, 1, 2, 3, 7, 8, 9, 13],
        },
        Pass { state: (0, DECAYS), kept: (0, 0), is_factored: false, channels: &[4, 5, 6, 14, 15, 16, 17] },
        Pass { state: (0, 0), kept: (0, 0), is_factored: false, channels: &[10, 11, 12, 18, 19, 20] },
        Pass { state: (0, 0), kept: (0, 0), is_factored: false, channels: &[21, 22, 23] },
    ];

    #[inline(always)]
    fn keep<S: Simd>(s: S, x: &Inputs<S>) -> [S::V; MAX_KEPT] {
        let mut out = [root::<Velo, S>(s, x); MAX_KEPT];
        for k in 0..DECAYS {
            let q = x.state[DECAYS + 1 + k];
            out[1 + k] = rsqrt(s, s.add(q, s.splat(DIAGONAL_FLOOR)));
            out[1 + DECAYS + k] = rsqrt(s, q);
            out[1 + 2 * DECAYS + k] = rsqrt(s, s.add(q, s.splat(FEATURE_FLOOR)));
        }
        out
    }

    #[inline(always)]
    fn make<S: Simd>(s: S, x: &Inputs<S>) -> [S::V; MAX_MADE] {
        let k = x.kept;
        make(s, x, [k[1], k[2], k[3]], [k[4], k[5], k[6]])
    }
}
