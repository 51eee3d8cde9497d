//! The per-parameter network, applied to a block of parameters at a time.

use super::columns::{Columns, Sink, Stored, biases};
use super::{STRIDE, VECTORS};
use crate::optim::LeafInit;
use crate::params::TensorSpec;
use crate::simd::{AlignedVec, Cpu, Kernel, LANES, Simd, Terms, relu};
use std::marker::PhantomData;

/// Widest register, in floats.
pub(in crate::lopt) const WIDEST: usize = 16;

/// Features → ReLU → ReLU → outputs, one column a parameter.
///
/// What is constant over a tensor, row or column is not a feature: the caller adds it to the first layer's start instead.
/// The hidden layers never leave the first-level cache: a few registers of columns pass through the whole network before
/// the next ones.
pub(in crate::lopt) struct ParamMlp {
    pub(in crate::lopt) num_features: usize,
    pub(in crate::lopt) hidden: usize,
    num_outputs: usize,
    /// First layer for this tensor, `[num_features, hidden]`: the caller folds normalisers into it.
    pub(in crate::lopt) w0: AlignedVec,
    w1: Vec<f32>,
    b1: Vec<f32>,
    /// Output layer, `[num_outputs, hidden]`.
    w2: Vec<f32>,
    b2: Vec<f32>,
}

/// Leaves of a network with two hidden layers and two outputs, as Haiku names them.
pub(in crate::lopt) fn mlp_leaves(inputs: usize, hidden: usize) -> Vec<(TensorSpec, LeafInit)> {
    let mut leaves = vec![];
    for (layer, (rows, cols)) in [(inputs, hidden), (hidden, hidden), (hidden, 2)].into_iter().enumerate() {
        let weights = LeafInit::TruncatedNormal(1.0 / (rows as f64).sqrt());
        leaves.push((TensorSpec::new(format!("mlp/~/linear_{layer}/b"), [cols]), LeafInit::Zero));
        leaves.push((TensorSpec::new(format!("mlp/~/linear_{layer}/w"), [rows, cols]), weights));
    }
    leaves
}

/// What a thread that runs the network needs for itself.
pub(in crate::lopt) struct Scratch {
    /// Features of a block, `[num_features, STRIDE]`; or of the columns under way, and behind them of the next ones.
    pub(in crate::lopt) features: AlignedVec,
    /// Where every unit and column of the first layer starts, `[hidden, STRIDE]`; for [`ParamMlp::run`].
    pub(in crate::lopt) start: AlignedVec,
    /// First hidden layer of the columns under way.
    h1: AlignedVec,
}

impl ParamMlp {
    /// A network with the given second and third layer; of the output layer only the first `num_outputs` (1, 2 or 4) of
    /// the `w2_cols` columns are computed. `layers` are w1, b1, w2, b2.
    pub(in crate::lopt) fn new(
        num_features: usize,
        hidden: usize,
        layers: [&[f32]; 4],
        w2_cols: usize,
        num_outputs: usize,
    ) -> Self {
        assert!(matches!(num_outputs, 1 | 2 | 4));
        let mut net = Self {
            num_features,
            hidden,
            num_outputs,
            w0: AlignedVec::zeros(num_features * hidden),
            w1: vec![0.0; hidden * hidden],
            b1: vec![0.0; hidden],
            w2: vec![0.0; num_outputs * hidden],
            b2: vec![0.0; num_outputs],
        };
        net.set_layers(layers, w2_cols);
        net
    }

    /// Room for one thread.
    pub(in crate::lopt) fn scratch(&self) -> Scratch {
        Scratch {
            features: AlignedVec::zeros(self.num_features * STRIDE),
            start: AlignedVec::zeros(self.hidden * STRIDE),
            h1: AlignedVec::zeros(self.hidden * VECTORS * WIDEST),
        }
    }

    /// Replaces the second and third layer.
    pub(in crate::lopt) fn set_layers(&mut self, [w1, b1, w2, b2]: [&[f32]; 4], w2_cols: usize) {
        self.w1.copy_from_slice(w1);
        self.b1.copy_from_slice(b1);
        self.b2.copy_from_slice(&b2[..self.num_outputs]);
        for (o, row) in self.w2.chunks_exact_mut(self.hidden).enumerate() {
            row.iter_mut().zip(w2.chunks_exact(w2_cols)).for_each(|(to, from)| *to = from[o]);
        }
    }

    /// Adds the first layer's weights of one channel to those of another: the channels are equal.
    pub(in crate::lopt) fn add_weights(&mut self, of: usize, to: usize) {
        for h in 0..self.hidden {
            self.w0[to * self.hidden + h] += self.w0[of * self.hidden + h];
        }
    }

    /// Runs the columns of a block whose features and starts were written before.
    pub(in crate::lopt) fn run(&self, cpu: Cpu, scratch: &mut Scratch, sink: &mut Sink<'_>) {
        assert!(sink.len().next_multiple_of(LANES) <= STRIDE);
        let columns = Stored { features: scratch.features.as_ptr(), start: scratch.start.as_ptr() };
        self.forward(cpu, scratch, columns, None, sink);
    }

    /// Runs the columns, as many as the sink takes. If given, `sums: [hidden, LANES]` gets the second hidden layer added up
    /// over the columns, column i to lane i mod [`LANES`].
    pub(in crate::lopt) fn forward<C: Columns>(
        &self,
        cpu: Cpu,
        scratch: &mut Scratch,
        columns: C,
        sums: Option<&mut [f32]>,
        sink: &mut Sink<'_>,
    ) {
        assert!(C::HIDDEN.is_none_or(|h| h == self.hidden));
        assert!(C::MADE.is_none_or(|made| C::RAW + C::LEFT_OUT + made == self.num_features));
        assert!(scratch.h1.len() == self.hidden * VECTORS * WIDEST);
        assert!(scratch.features.len() == self.num_features * STRIDE);
        let num_outputs = self.num_outputs;
        // Every form is code of its own on every backend: what columns never want is not compiled for them.
        if const { C::OUTPUTS == 4 } && num_outputs == 4 {
            assert!(sums.is_none() && sink.is_for_four());
            let sums = std::ptr::null_mut();
            return cpu.run(Forward::<C, 4, false> { net: self, scratch, columns, sums, sink });
        }
        assert!(num_outputs <= 2 && (C::IS_SUMMED || sums.is_none()));
        if const { C::IS_SUMMED }
            && let Some(sums) = sums
        {
            assert!(sums.len() >= self.hidden * LANES);
            let sums = sums.as_mut_ptr();
            return match num_outputs {
                1 => cpu.run(Forward::<C, 1, true> { net: self, scratch, columns, sums, sink }),
                _ => cpu.run(Forward::<C, 2, true> { net: self, scratch, columns, sums, sink }),
            };
        }
        let sums = std::ptr::null_mut();
        match num_outputs {
            1 => cpu.run(Forward::<C, 1, false> { net: self, scratch, columns, sums, sink }),
            _ => cpu.run(Forward::<C, 2, false> { net: self, scratch, columns, sums, sink }),
        }
    }
}

/// How many terms the sums of columns `C` have: of channels that are arrays, of computed ones, of hidden units.
struct RawTerms<C>(PhantomData<C>);
struct MadeTerms<C>(PhantomData<C>);
struct HiddenTerms<C>(PhantomData<C>);

impl<C: Columns> Terms for RawTerms<C> {
    const KNOWN: usize = C::RAW;
}

impl<C: Columns> Terms for MadeTerms<C> {
    const KNOWN: usize = known(C::MADE);
}

impl<C: Columns> Terms for HiddenTerms<C> {
    const KNOWN: usize = known(C::HIDDEN);
}

const fn known(terms: Option<usize>) -> usize {
    match terms {
        Some(terms) => terms,
        None => 0,
    }
}

/// The network on some columns. What decides about registers is known to the compiler: the number of outputs, and whether
/// the second hidden layer is summed.
struct Forward<'a, 'b, C, const OUTPUTS: usize, const SUMS: bool> {
    net: &'a ParamMlp,
    scratch: &'a mut Scratch,
    columns: C,
    sums: *mut f32,
    sink: &'a mut Sink<'b>,
}

impl<C: Columns, const OUTPUTS: usize, const SUMS: bool> Kernel for Forward<'_, '_, C, OUTPUTS, SUMS> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let vectors = self.sink.len().div_ceil(S::WIDTH);
        if const { !S::IS_TILED } {
            if vectors > 0 {
                self.columns::<S, 1>(s, 0, vectors);
            }
            return;
        }
        let count = vectors / VECTORS;
        if count > 0 {
            self.columns::<S, VECTORS>(s, 0, count);
        }
        let at = count * VECTORS * S::WIDTH;
        match vectors % VECTORS {
            1 => self.columns::<S, 1>(s, at, 1),
            2 => self.columns::<S, 2>(s, at, 1),
            _ => {}
        }
    }
}

impl<C: Columns, const OUTPUTS: usize, const SUMS: bool> Forward<'_, '_, C, OUTPUTS, SUMS> {
    #[inline(always)]
    fn hidden(&self) -> usize {
        match C::HIDDEN {
            Some(hidden) => hidden,
            None => self.net.hidden,
        }
    }

    /// `count` times `V` registers of columns from `at` through all layers.
    ///
    /// The core should have work that does not wait while a layer waits for the one before: between the two hidden layers the
    /// next columns are made ready, and where outputs have an exponential to wait for, the last columns' are taken.
    #[inline(always)]
    fn columns<S: Simd, const V: usize>(&mut self, s: S, at: usize, count: usize) {
        const { assert!(2 * VECTORS * WIDEST <= STRIDE) };
        let step = V * S::WIDTH;
        let buffers = [0, self.net.num_features * VECTORS * WIDEST];
        let mut made = self.begin::<S, V>(s, at, buffers[0]);
        let mut outputs = [[s.splat(0.0); V]; OUTPUTS];
        for i in 0..count {
            let at = at + i * step;
            self.first_layer::<S, V>(s, at, made);
            if i + 1 < count {
                made = self.begin::<S, V>(s, at + step, buffers[(i + 1) % 2]);
            }
            if OUTPUTS > 1 && i > 0 {
                self.sink.take::<S, V, OUTPUTS>(s, at - step, &outputs);
            }
            outputs = self.second_layer::<S, V>(s, at);
            if OUTPUTS == 1 || i + 1 == count {
                self.sink.take::<S, V, OUTPUTS>(s, at, &outputs);
            }
        }
    }

    /// Makes `V` registers of columns ready; their computed channels go to place `buffer` of the features.
    #[inline(always)]
    fn begin<S: Simd, const V: usize>(&mut self, s: S, at: usize, buffer: usize) -> (*const f32, usize) {
        let features = self.scratch.features.as_mut_ptr();
        // SAFETY: whoever made the columns says that there are as many as the sink takes, in whole registers; the features
        // have room for two buffers.
        unsafe { self.columns.begin::<S, V>(s, at, features.add(buffer)) }
    }

    /// All units of the first layer.
    #[inline(always)]
    fn first_layer<S: Simd, const V: usize>(&mut self, s: S, at: usize, made: (*const f32, usize)) {
        let hidden = self.hidden();
        let mut h = 0;
        if const { S::REGISTERS >= 32 } {
            while h + 8 <= hidden {
                self.first::<S, 8, V>(s, h, at, made);
                h += 8;
            }
        }
        while const { S::IS_TILED } && h + 4 <= hidden {
            self.first::<S, 4, V>(s, h, at, made);
            h += 4;
        }
        while h < hidden {
            self.first::<S, 1, V>(s, h, at, made);
            h += 1;
        }
    }

    /// All units of the second layer; returns the outputs.
    #[inline(always)]
    fn second_layer<S: Simd, const V: usize>(&mut self, s: S, at: usize) -> [[S::V; V]; OUTPUTS] {
        let hidden = self.hidden();
        let mut out = [[s.splat(0.0); V]; OUTPUTS];
        for o in 0..OUTPUTS {
            out[o] = [s.splat(self.net.b2[o]); V];
        }
        let mut h = 0;
        if const { S::REGISTERS >= 32 } {
            while h + 8 <= hidden {
                self.second::<S, 8, V>(s, h, at, &mut out);
                h += 8;
            }
        }
        while const { S::IS_TILED } && h + 4 <= hidden {
            self.second::<S, 4, V>(s, h, at, &mut out);
            h += 4;
        }
        while h < hidden {
            self.second::<S, 1, V>(s, h, at, &mut out);
            h += 1;
        }
        out
    }

    /// Units `h..h + R` of the first layer; `made` says where the computed channels are.
    #[inline(always)]
    fn first<S: Simd, const R: usize, const V: usize>(
        &mut self,
        s: S,
        h: usize,
        at: usize,
        made: (*const f32, usize),
    ) {
        let hidden = self.hidden();
        let net = self.net;
        let num_made = match C::MADE {
            Some(made) => made,
            None => net.num_features - C::RAW - C::LEFT_OUT,
        };
        // SAFETY: units below `hidden`; the columns are there.
        unsafe {
            let mut acc = self.columns.starts::<S, R, V>(s, h, at);
            let weights = net.w0.as_ptr().add(h);
            if C::RAW > 0 {
                tile_rows::<S, RawTerms<C>, R, V>(
                    s,
                    C::RAW,
                    weights,
                    hidden,
                    self.columns.rows(),
                    at,
                    &mut acc,
                );
            }
            let weights = weights.add((C::RAW + C::LEFT_OUT) * hidden);
            tile::<S, MadeTerms<C>, R, V>(s, num_made, weights, hidden, made.0, made.1, &mut acc);
            let out = self.scratch.h1.as_mut_ptr();
            for r in 0..R {
                for v in 0..V {
                    s.store(out.add(((h + r) * V + v) * S::WIDTH), relu(s, acc[r][v]));
                }
            }
        }
    }

    /// Units `h..h + R` of the second layer, added to the outputs.
    #[inline(always)]
    fn second<S: Simd, const R: usize, const V: usize>(
        &mut self,
        s: S,
        h: usize,
        at: usize,
        out: &mut [[S::V; V]; OUTPUTS],
    ) {
        let hidden = self.hidden();
        let (net, w) = (self.net, S::WIDTH);
        // SAFETY: units below `hidden`; the first layer wrote `V` registers of each to `h1`; `run` checked the sums.
        unsafe {
            let mut acc: [[S::V; V]; R] = biases(s, net.b1.as_ptr().add(h));
            let (weights, h1) = (net.w1.as_ptr().add(h), self.scratch.h1.as_ptr());
            tile::<S, HiddenTerms<C>, R, V>(s, hidden, weights, hidden, h1, V * w, &mut acc);
            for r in 0..R {
                for v in 0..V {
                    acc[r][v] = relu(s, acc[r][v]);
                }
            }
            for o in 0..OUTPUTS {
                add_dots(s, net.w2.as_ptr().add(o * hidden + h), &acc, &mut out[o]);
            }
            if SUMS {
                let live = self.sink.len() - at;
                if live < V * w {
                    for v in 0..V {
                        let first = s.first(live.saturating_sub(v * w).min(w));
                        for r in 0..R {
                            acc[r][v] = s.keep(first, acc[r][v]);
                        }
                    }
                }
                self.add_to_sums(s, h, at, &acc);
            }
        }
    }

    /// Adds units `h..h + R` of the second layer to their sums, column i to lane i mod [`LANES`].
    #[inline(always)]
    fn add_to_sums<S: Simd, const R: usize, const V: usize>(
        &mut self,
        s: S,
        h: usize,
        at: usize,
        units: &[[S::V; V]; R],
    ) {
        let (w, registers) = (S::WIDTH, LANES / S::WIDTH);
        for r in 0..R {
            for first in 0..registers.min(V) {
                // SAFETY: `run` checked the sums; the unit is below `hidden`.
                unsafe {
                    let lanes = self.sums.add((h + r) * LANES + (at + first * w) % LANES);
                    let mut sum = s.load(lanes);
                    for v in (first..V).step_by(registers) {
                        sum = s.add(sum, units[r][v]);
                    }
                    s.store(lanes, sum);
                }
            }
        }
    }
}

/// `out[v] += Σ_r w[r] · x[r][v]`, in order of r.
/// # Safety
/// `w` is readable for `R` floats.
#[inline(always)]
unsafe fn add_dots<S: Simd, const R: usize, const V: usize>(
    s: S,
    w: *const f32,
    x: &[[S::V; V]; R],
    out: &mut [S::V; V],
) {
    // SAFETY: the caller's promise. The casts are between arrays of one type where the sizes are those of the tile.
    unsafe {
        if R == 4 && V == 3 && S::HAS_TILE_4X3 {
            let (x, out) = (&*std::ptr::from_ref(x).cast(), &mut *std::ptr::from_mut(out).cast());
            return s.add_dots_4x3(w, x, out);
        }
        for r in 0..R {
            let weight = s.splat(*w.add(r));
            for v in 0..V {
                out[v] = s.fma(weight, x[r][v], out[v]);
            }
        }
    }
}

/// `sums[r][v] + a[r] · b[v · WIDTH ..]`.
/// # Safety
/// `a` is readable for `R`, `b` for `V · WIDTH` floats.
#[inline(always)]
unsafe fn add_outer<S: Simd, const R: usize, const V: usize>(
    s: S,
    a: *const f32,
    b: *const f32,
    mut sums: [[S::V; V]; R],
) -> [[S::V; V]; R] {
    // SAFETY: the caller's promise.
    unsafe {
        let mut x = [s.splat(0.0); V];
        for v in 0..V {
            x[v] = s.load(b.add(v * S::WIDTH));
        }
        for r in 0..R {
            let weight = s.splat(*a.add(r));
            for v in 0..V {
                sums[r][v] = s.fma(weight, x[v], sums[r][v]);
            }
        }
        sums
    }
}

/// [`tile`] where row k of `b` starts at `rows[k] + at`.
/// # Safety
/// `a` is readable for `R`, the rows for `V · WIDTH` floats at each of `k` steps.
#[inline(always)]
unsafe fn tile_rows<S: Simd, T: Terms, const R: usize, const V: usize>(
    s: S,
    k: usize,
    mut a: *const f32,
    a_step: usize,
    rows: *const *const f32,
    at: usize,
    acc: &mut [[S::V; V]; R],
) {
    // SAFETY: the caller's promise. The cast is between arrays of one type where both sizes are those of the tile.
    unsafe {
        if R == 4 && V == 3 && S::HAS_TILE_4X3 {
            return s.tile_rows_4x3::<T>(k, a, a_step, rows, at, &mut *std::ptr::from_mut(acc).cast());
        }
        let mut sums = *acc;
        for i in 0..k {
            sums = add_outer(s, a, (*rows.add(i)).add(at), sums);
            a = a.wrapping_add(a_step);
        }
        *acc = sums;
    }
}

/// `acc[r][v] += Σ_k a[k · a_step + r] · b[k · b_step + v · WIDTH ..]`, in order of k.
/// # Safety
/// `a` is readable for `R`, `b` for `V · WIDTH` floats at each of `k` steps.
#[inline(always)]
pub(in crate::lopt) unsafe fn tile<S: Simd, T: Terms, const R: usize, const V: usize>(
    s: S,
    k: usize,
    mut a: *const f32,
    a_step: usize,
    mut b: *const f32,
    b_step: usize,
    acc: &mut [[S::V; V]; R],
) {
    // SAFETY: the caller's promise. The cast is between arrays of one type where both sizes are those of the tile.
    unsafe {
        if R == 4 && V == 3 && S::HAS_TILE_4X3 {
            return s.tile_4x3::<T>(k, a, a_step, b, b_step, &mut *std::ptr::from_mut(acc).cast());
        }
        let mut sums = *acc;
        for _ in 0..k {
            sums = add_outer(s, a, b, sums);
            a = a.wrapping_add(a_step);
            b = b.wrapping_add(b_step);
        }
        *acc = sums;
    }
}
