//! Celo2 at work: one step over all tensors of a lane.

use super::config::{Celo2, Celo2Config, OUTPUTS, PUBLISHED_HIDDEN};
use crate::lopt::engine::factored::DECAYS;
use crate::lopt::engine::factored_rule::{FactoredRule, Parts, TensorPlan};
use crate::lopt::engine::features::{Arrays, Decay, Features, Inputs, MAX_KEPT, MAX_MADE, Pass, Source};
use crate::lopt::engine::mlp::ParamMlp;
use crate::lopt::engine::rule::Wanted;
use crate::lopt::engine::velo_features::{
    CHANNELS, DECAY_RATES, DIAGONAL_FLOOR, FactoredFeatures, GRADIENT_BOUND, Kind, MADE, RAW, SIDE_GROUPS,
    SQUARE_FLOOR, make, root,
};
use crate::optim::elementwise::Sweep;
use crate::optim::mean_decay::MeanDecay;
use crate::optim::newton_schulz::NewtonSchulz;
use crate::optim::squares::{Squares, norm_of};
use crate::optim::{Moments, StateMut, Step, Update};
use crate::params::ParamLayout;
use crate::simd::{AlignedVec, Kernel, Simd, Workers, rsqrt};
use crate::tensor::{SHARE, SHARED, load, store};
use std::marker::PhantomData;

const SQUARE_DECAY: f32 = 0.95;
/// Added inside the reciprocal root of the second moment, and inside Adam's.
const SECOND_MOMENT_FLOOR: f32 = 1e-8;
const NORMALIZER_FLOOR: f32 = 1e-9;
const NUM: usize = DECAYS;

/// One tensor: how its directions are made, or that Adam's rule moves it.
struct Tensor {
    plan: TensorPlan,
    is_adam: bool,
    /// Shape of one matrix, where the rank is at least 2.
    matrix: Option<[usize; 2]>,
}

/// Celo2 bound to theta and shapes; `K` says what the compiler knows of the network.
pub(super) struct Bound<K: Kind> {
    tensors: Vec<Tensor>,
    config: Celo2Config,
    b0: Vec<f32>,
    rule: FactoredRule<FactoredFeatures<K>, PlainFeatures<K>>,
    directions: AlignedVec,
    squares: Squares,
    newton_schulz: NewtonSchulz,
}

/// Celo2's features for a network of the published width.
pub(super) struct PublishedWidth;

impl Kind for PublishedWidth {
    const HIDDEN: Option<usize> = Some(PUBLISHED_HIDDEN);
    const SECOND_MOMENT_FLOOR: f32 = SECOND_MOMENT_FLOOR;
}

/// Celo2's features for a network of another width.
pub(super) struct AnyWidth;

impl Kind for AnyWidth {
    const HIDDEN: Option<usize> = None;
    const SECOND_MOMENT_FLOOR: f32 = SECOND_MOMENT_FLOOR;
}

/// Channels of a tensor that is not factored: all but the last group, the factored momenta.
struct PlainFeatures<K>(PhantomData<K>);

impl<K: Kind> Features for PlainFeatures<K> {
    const MOMENTA: usize = NUM;
    const SQUARES: usize = 1 + NUM;
    const KEPT: usize = 1 + NUM;
    const RAW: &'static [Source] = &RAW;
    const HIDDEN: Option<usize> = K::HIDDEN;
    const MADE: usize = MADE - NUM;
    const PASSES: &'static [Pass] = &[
        Pass {
            state: (NUM, 2 * NUM + 1),
            kept: (0, NUM + 1),
            is_factored: false,
            channels: &[0, 1, 2, 3, 7, 8],
        },
        Pass { state: (0, NUM), kept: (0, 0), is_factored: false, channels: &[4, 5, 6, 9, 10, 11] },
        Pass { state: (0, 0), kept: (0, 0), is_factored: false, channels: &[12, 13, 14] },
    ];

    #[inline(always)]
    fn keep<S: Simd>(s: S, x: &Inputs<S>) -> [S::V; MAX_KEPT] {
        let mut out = [root::<K, S>(s, x); MAX_KEPT];
        for k in 0..NUM {
            out[1 + k] = rsqrt(s, s.add(x.state[NUM + 1 + k], s.splat(DIAGONAL_FLOOR)));
        }
        out
    }

    #[inline(always)]
    fn make<S: Simd>(s: S, x: &Inputs<S>) -> [S::V; MAX_MADE] {
        let factors = [x.kept[1], x.kept[2], x.kept[3]];
        make(s, x, factors, factors)
    }
}

impl<K: Kind> Bound<K> {
    /// Packs `theta`, whose length was checked.
    pub(super) fn new(optimizer: &Celo2, theta: &[f32], params: &ParamLayout) -> Self {
        let leaf = |name: &str| optimizer.theta.leaf(theta, &format!("ff_mod_stack/~/{name}"));
        let group = |i: usize| leaf(&format!("w0__{i}"));
        let config = optimizer.config.clone();
        let hidden = config.hidden;
        let mut at = 0;
        let tensors = params.specs().iter().enumerate().map(|(i, spec)| {
            let is_adam = optimizer.is_adam(&spec.name);
            let mut plan = TensorPlan::new(params, i, at, [NUM + 1, 2 * NUM + 1], true);
            if is_adam {
                plan.state.end = at + 2 * plan.params.len();
            }
            at = plan.state.end;
            let matrix = match spec.shape[..] {
                [.., rows, cols] => Some([rows, cols]),
                _ => None,
            };
            Tensor { plan, is_adam, matrix }
        });
        let tensors: Vec<_> = tensors.collect();
        let learned = || tensors.iter().filter(|t| !t.is_adam);
        let matrices = learned().filter_map(|t| t.matrix).filter(|_| config.orthogonalize);
        let mut elementwise = DECAY_RATES.map(|beta| Decay::new(beta, 0.0)).to_vec();
        elementwise.push(Decay::new(SQUARE_DECAY, 0.0));
        let weights = |channels: usize| {
            let rows = CHANNELS[..channels].iter().flat_map(|&(g, i)| &group(g)[i * hidden..][..hidden]);
            rows.copied().collect()
        };
        let parts = Parts {
            elementwise: &elementwise,
            factored: DECAY_RATES.map(|beta| Decay::new(beta, SQUARE_FLOOR)),
            weights: [FactoredFeatures::<K>::CHANNELS, PlainFeatures::<K>::CHANNELS].map(weights),
            side_weights: SIDE_GROUPS.map(|kinds| kinds.map(|g| group(g).to_vec())),
            floor: NORMALIZER_FLOOR,
            gradient_bound: Some(GRADIENT_BOUND),
        };
        let num_outputs = if config.exp_mult == 0.0 { 1 } else { 2 };
        let layers = ["w1", "b1", "w2", "b2"].map(leaf);
        let mlp = |channels| ParamMlp::new(channels, hidden, layers, OUTPUTS, num_outputs);
        Self {
            b0: leaf("b0").to_vec(),
            rule: FactoredRule::new(parts, mlp, learned().map(|t| &t.plan)),
            directions: AlignedVec::zeros(learned().map(|t| t.plan.params.len()).max().unwrap_or(0)),
            squares: Squares::of(params),
            newton_schulz: NewtonSchulz::new(matrices),
            tensors,
            config,
        }
    }
}

/// p ← p − (scale·d + decay·p); threads share a large tensor.
fn descend(workers: Workers<'_>, params: &mut [f32], directions: &[f32], scale: f32, decay: f32) {
    let cpu = workers.cpu();
    if params.len() < SHARED {
        return cpu.run(Descend { params, directions, scale, decay });
    }
    let mut shares: Vec<_> = params.chunks_mut(SHARE).zip(directions.chunks(SHARE)).collect();
    workers.each_mut(&mut shares, |_, (params, directions)| {
        cpu.run(Descend { params, directions, scale, decay });
    });
}

/// p ← p − (scale·d + decay·p).
struct Descend<'a> {
    params: &'a mut [f32],
    directions: &'a [f32],
    scale: f32,
    decay: f32,
}

impl Kernel for Descend<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { params, directions, scale, decay } = self;
        let len = params.len();
        assert!(directions.len() >= len);
        let (scale, decay) = (s.splat(scale), s.splat(decay));
        let (params, directions) = (params.as_mut_ptr(), directions.as_ptr());
        let mut at = 0;
        while at < len {
            let n = (len - at).min(S::WIDTH);
            // SAFETY: `n` elements remain in both.
            unsafe {
                let place = params.add(at);
                let p = load(s, place, n);
                let d = s.mul(scale, load(s, directions.add(at), n));
                store(s, place, s.sub(p, s.fma(decay, p, d)), n);
            }
            at += S::WIDTH;
        }
    }
}

impl<K: Kind> Update for Bound<K> {
    fn init(&mut self, _: &[f32], _: StateMut<'_>) {}

    fn step(&mut self, step: Step<'_>) {
        let Step { workers, state, mut params, mut grads, scale, .. } = step;
        let cpu = workers.cpu();
        *state.iteration += 1;
        let t = *state.iteration as f64;
        let weight_decay = self.config.weight_decay as f32;
        for (i, Tensor { plan, is_adam, matrix }) in self.tensors.iter().enumerate() {
            let lr = self.config.step_mult as f32 * scale.of(i);
            let (params, grads) = (params.get(i, &plan.params), grads.get(i, &plan.params));
            let state = &mut state.data[plan.state.clone()];
            if *is_adam {
                let lr = (self.config.adam_mult * self.config.step_mult) as f32;
                let factor = scale.of(i);
                if weight_decay > 0.0 {
                    // As one step would: the decay reads the old parameters, and Adam's direction does not read any.
                    params.iter_mut().for_each(|p| *p -= factor * lr * weight_decay * *p);
                }
                let len = params.len();
                let kernel = adam_moments(&self.config, lr, t);
                Sweep::new(kernel, params, grads, state, len).run(workers, factor);
                continue;
            }
            let exp_mult = self.config.exp_mult as f32;
            let wanted = Wanted::Direction { out: &mut self.directions, exp_mult };
            let arrays = Arrays { params, grads, state };
            self.rule.run(workers, plan, arrays, &self.b0, wanted);
            for span in &plan.spans {
                let directions = &mut self.directions[span.range()];
                let mut squares = self.squares.sum(workers, directions);
                if let (Some(matrix), true) = (*matrix, self.config.orthogonalize) {
                    self.newton_schulz.run(cpu, directions, matrix, norm_of(squares));
                    squares = self.squares.sum(workers, directions);
                }
                let scale = lr / (NORMALIZER_FLOOR + squares as f32 / span.len as f32).sqrt();
                let params = &mut params[span.range()];
                descend(workers, params, directions, scale, lr * weight_decay);
            }
        }
    }
}

/// Adam's rule as Celo2 has it: the floor inside the root, moments corrected only on demand.
fn adam_moments(config: &Celo2Config, lr: f32, t: f64) -> Moments {
    let decays = [config.adam_beta1, config.adam_beta2].map(MeanDecay::new);
    let correction = |decay: MeanDecay| if config.adam_bias_correction { decay.correction(t) } else { 1.0 };
    Moments {
        beta: decays.map(MeanDecay::beta),
        complement: decays.map(|decay| 1.0 - decay.beta()),
        correction: decays.map(correction),
        lr,
        eps: 0.0,
        eps_root: SECOND_MOMENT_FLOOR,
    }
}
