//! Small matrix products: C = init + A·B, for operands that fit a core's caches.
//!
//! Every element of C is its initial value plus the products in order of `k`, each added with one fused
//! multiply-add. The order does not depend on the tile shape, so neither do the bits.

use super::{Cpu, Kernel, Simd, relu};
use std::ops::Range;

/// Most terms and most rows that are worked on before the next ones: so much of A and B stays in the second-level cache.
const TERMS: usize = 256;
const ROWS: usize = 192;

/// A read-only matrix: element (i, j) is `data[i * row + j * col]`.
#[derive(Clone, Copy, Debug)]
pub struct MatRef<'a> {
    /// Backing floats.
    pub data: &'a [f32],
    /// Distance between rows.
    pub row: usize,
    /// Distance between columns.
    pub col: usize,
}

/// A matrix to write, with adjacent columns: element (i, j) is `data[i * row + j]`.
#[derive(Debug)]
pub struct MatMut<'a> {
    /// Backing floats.
    pub data: &'a mut [f32],
    /// Distance between rows.
    pub row: usize,
}

/// What C holds before the products are added.
#[derive(Clone, Copy, Debug)]
pub enum GemmInit<'a> {
    /// Zeros.
    Zero,
    /// Row i starts at `bias[i]`.
    Rows(&'a [f32]),
    /// Column j starts at `bias[j]`.
    Columns(&'a [f32]),
    /// What is in C.
    Keep,
}

/// C = init + A·B as a [`Kernel`]; make it with [`gemm`].
#[derive(Debug)]
pub struct Gemm<'a> {
    m: usize,
    n: usize,
    k: usize,
    a: MatRef<'a>,
    b: MatRef<'a>,
    c: MatMut<'a>,
    init: GemmInit<'a>,
    epilogue: Epilogue<'a>,
}

/// What is done to C's elements before they are stored.
#[derive(Clone, Copy, Debug)]
enum Epilogue<'a> {
    None,
    Relu,
    /// Kept where the value is positive, else 0.
    Mask(&'a [f32]),
}

/// C = init + A·B with A of shape [m, k], B of shape [k, n] with adjacent columns, C of shape [m, n].
/// # Panics
/// If an operand is too short for its shape or B's columns are not adjacent: a bug of the caller.
#[inline(always)]
pub fn gemm<'a>(
    [m, n, k]: [usize; 3],
    a: MatRef<'a>,
    b: MatRef<'a>,
    c: MatMut<'a>,
    init: GemmInit<'a>,
) -> Gemm<'a> {
    assert!(m > 0 && n > 0 && b.col == 1);
    assert!(k == 0 || (m - 1) * a.row + (k - 1) * a.col < a.data.len());
    assert!(k == 0 || (k - 1) * b.row + n <= b.data.len());
    assert!((m - 1) * c.row + n <= c.data.len());
    match init {
        GemmInit::Rows(bias) => assert!(m <= bias.len()),
        GemmInit::Columns(bias) => assert!(n <= bias.len()),
        GemmInit::Zero | GemmInit::Keep => {}
    }
    Gemm { m, n, k, a, b, c, init, epilogue: Epilogue::None }
}

impl Kernel for Gemm<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let (quad, pair) = (4 * S::WIDTH, 2 * S::WIDTH);
        let mut j = 0;
        // Few rows: more columns at once, or there are too few independent sums to keep the multiplier busy.
        while S::REGISTERS >= 32 && self.m <= 4 && j + quad <= self.n {
            self.few_rows::<S, 4>(s, j);
            j += quad;
        }
        while j + pair <= self.n {
            self.columns::<S, 2>(s, j, S::WIDTH);
            j += pair;
        }
        let rest = self.n - j;
        if rest > S::WIDTH {
            self.columns::<S, 2>(s, j, rest - S::WIDTH);
        } else if rest > 0 {
            self.columns::<S, 1>(s, j, rest);
        }
    }
}

impl<'a> Gemm<'a> {
    /// Works the product out block by block: the same bits, and faster where operands do not fit the second-level cache.
    pub fn run_blocked(mut self, cpu: Cpu) {
        if self.m <= ROWS && self.k <= TERMS {
            return cpu.run(self);
        }
        for term in (0..self.k.max(1)).step_by(TERMS) {
            for row in (0..self.m).step_by(ROWS) {
                let rows = row..(row + ROWS).min(self.m);
                cpu.run(self.block(rows, term..(term + TERMS).min(self.k)));
            }
        }
    }

    /// Some rows and terms. The first terms start from `init`, the others from what is in C; the last ones have the epilogue.
    fn block(&mut self, rows: Range<usize>, terms: Range<usize>) -> Gemm<'_> {
        let Gemm { k, n, a, b, init, epilogue, .. } = *self;
        let to = rows.start * self.c.row;
        Gemm {
            m: rows.len(),
            n,
            k: terms.len(),
            a: MatRef { data: a.data.get(rows.start * a.row + terms.start * a.col..).unwrap_or(&[]), ..a },
            b: MatRef { data: b.data.get(terms.start * b.row..).unwrap_or(&[]), ..b },
            c: MatMut { data: &mut self.c.data[to..], row: self.c.row },
            init: match init {
                _ if terms.start > 0 => GemmInit::Keep,
                GemmInit::Rows(bias) => GemmInit::Rows(&bias[rows.start..]),
                other => other,
            },
            epilogue: match epilogue {
                _ if terms.end < k => Epilogue::None,
                Epilogue::Mask(values) => Epilogue::Mask(&values[to..]),
                other => other,
            },
        }
    }

    /// C = max(init + A·B, 0) instead.
    #[inline(always)]
    pub fn with_relu(self) -> Self {
        Self { epilogue: Epilogue::Relu, ..self }
    }

    /// C = init + A·B where `values`, arranged as C, are positive, and 0 elsewhere even if a product is not finite: the
    /// gradient through a ReLU that gave `values`, as JAX's.
    #[inline(always)]
    pub fn with_mask(self, values: &'a [f32]) -> Self {
        assert!((self.m - 1) * self.c.row + self.n <= values.len());
        Self { epilogue: Epilogue::Mask(values), ..self }
    }

    /// All rows of `V` registers' columns from `j`; the last register holds `last` columns. Tiles are as high as registers
    /// allow; where that would leave fewer than two thirds of a tile's rows, the last two tiles share, for a low tile waits
    /// for its own sums.
    #[inline(always)]
    fn columns<S: Simd, const V: usize>(&mut self, s: S, j: usize, last: usize) {
        let most = if S::REGISTERS >= 32 || V == 1 { 12 } else { 6 };
        let mut i = 0;
        while i < self.m {
            let left = self.m - i;
            let rows = match left.saturating_sub(most) {
                0 => left,
                rest if rest < most / 3 * 2 => left.div_ceil(2),
                _ => most,
            };
            match rows {
                1 => self.tile::<S, 1, V>(s, i, j, last),
                2 => self.tile::<S, 2, V>(s, i, j, last),
                3 => self.tile::<S, 3, V>(s, i, j, last),
                4 => self.tile::<S, 4, V>(s, i, j, last),
                5 => self.tile::<S, 5, V>(s, i, j, last),
                6 => self.tile::<S, 6, V>(s, i, j, last),
                // Never taken where there are sixteen registers and two of columns.
                7 => self.tile::<S, 7, V>(s, i, j, last),
                8 => self.tile::<S, 8, V>(s, i, j, last),
                9 => self.tile::<S, 9, V>(s, i, j, last),
                10 => self.tile::<S, 10, V>(s, i, j, last),
                11 => self.tile::<S, 11, V>(s, i, j, last),
                _ => self.tile::<S, 12, V>(s, i, j, last),
            }
            i += rows;
        }
    }

    /// All of at most four rows, of `V` whole registers' columns from `j`.
    #[inline(always)]
    fn few_rows<S: Simd, const V: usize>(&mut self, s: S, j: usize) {
        match self.m {
            4 => self.tile::<S, 4, V>(s, 0, j, S::WIDTH),
            3 => self.tile::<S, 3, V>(s, 0, j, S::WIDTH),
            2 => self.tile::<S, 2, V>(s, 0, j, S::WIDTH),
            _ => self.tile::<S, 1, V>(s, 0, j, S::WIDTH),
        }
    }

    /// `R` rows from `i` by `V` registers from column `j`.
    #[inline(always)]
    fn tile<S: Simd, const R: usize, const V: usize>(&mut self, s: S, i: usize, j: usize, last: usize) {
        let w = S::WIDTH;
        // Whole registers of B are read if they are in the slice, be it past its columns: what comes of those is not stored.
        let is_full = self.k == 0 || (self.k - 1) * self.b.row + j + V * w <= self.b.data.len();
        let last_of_b = if is_full { w } else { last };
        // SAFETY: `gemm` checked that rows below `m`, columns below `n` and `k` terms are inside the operands;
        // the last register of C touches only `last` columns, and that of B likewise unless all `w` are in the slice.
        unsafe {
            let c = self.c.data.as_mut_ptr().add(i * self.c.row + j);
            let mut acc = [[s.splat(0.0); V]; R];
            match self.init {
                GemmInit::Zero => {}
                GemmInit::Rows(bias) => {
                    for r in 0..R {
                        acc[r] = [s.splat(*bias.get_unchecked(i + r)); V];
                    }
                }
                GemmInit::Columns(bias) => {
                    for v in 0..V {
                        let n = if v + 1 == V { last } else { w };
                        let start = s.load_first(bias.as_ptr().add(j + v * w), n);
                        for r in 0..R {
                            acc[r][v] = start;
                        }
                    }
                }
                GemmInit::Keep => {
                    for r in 0..R {
                        for v in 0..V {
                            let n = if v + 1 == V { last } else { w };
                            acc[r][v] = s.load_first(c.add(r * self.c.row + v * w), n);
                        }
                    }
                }
            }
            if self.a.row == 1 {
                self.add_terms::<S, R, V, true>(s, [i, j], last_of_b, &mut acc);
            } else {
                self.add_terms::<S, R, V, false>(s, [i, j], last_of_b, &mut acc);
            }
            match self.epilogue {
                Epilogue::None => {}
                Epilogue::Relu => {
                    for r in 0..R {
                        for v in 0..V {
                            acc[r][v] = relu(s, acc[r][v]);
                        }
                    }
                }
                Epilogue::Mask(values) => {
                    let values = values.as_ptr().add(i * self.c.row + j);
                    for r in 0..R {
                        for v in 0..V {
                            let n = if v + 1 == V { last } else { w };
                            let value = s.load_first(values.add(r * self.c.row + v * w), n);
                            acc[r][v] = s.keep(s.gt(value, s.splat(0.0)), acc[r][v]);
                        }
                    }
                }
            }
            for r in 0..R {
                for v in 0..V {
                    let n = if v + 1 == V { last } else { w };
                    let p = c.add(r * self.c.row + v * w);
                    if n == w {
                        s.store(p, acc[r][v])
                    } else {
                        s.store_first(p, acc[r][v], n)
                    };
                }
            }
        }
    }

    /// Adds the products to a tile's sums; the last register of B has `last` columns. Where `ADJACENT`, A's rows are
    /// neighbours; else its columns are, or nothing.
    ///
    /// Four terms a turn, whose addresses are a pointer, a constant and at most one register: a core that serves two threads
    /// has no turns to spare for instructions that move pointers.
    /// # Safety
    /// The tile is inside the operands.
    #[inline(always)]
    unsafe fn add_terms<S: Simd, const R: usize, const V: usize, const ADJACENT: bool>(
        &self,
        s: S,
        [i, j]: [usize; 2],
        last: usize,
        acc: &mut [[S::V; V]; R],
    ) {
        let (w, row, term) = (S::WIDTH, self.a.row, self.a.col);
        let [row_3, term_3, b_3] = [row, term, self.b.row].map(|x| opaque(3 * x));
        // Where rows are apart, one pointer for every three of them.
        let pointers = if ADJACENT { 1 } else { R.div_ceil(3) };
        let mut a = [self.a.data.as_ptr().wrapping_add(i * row); 4];
        for q in 1..pointers {
            a[q] = a[q - 1].wrapping_add(row_3);
        }
        let mut b = self.b.data.as_ptr().wrapping_add(j);
        macro_rules! add_term {
            ($u:literal) => {{
                let b = b.wrapping_add(if $u == 3 { b_3 } else { $u * self.b.row });
                let mut bv = [s.splat(0.0); V];
                for v in 0..V {
                    let p = b.wrapping_add(v * w);
                    // SAFETY: the caller's promise; of the last register only `last` columns are read.
                    bv[v] = unsafe { if v + 1 < V || last == w { s.load(p) } else { s.load_first(p, last) } };
                }
                for r in 0..R {
                    let p = if ADJACENT {
                        a[0].wrapping_add(r).wrapping_add(if $u == 3 { term_3 } else { $u * term })
                    } else {
                        a[r / 3].wrapping_add(r % 3 * row + $u)
                    };
                    // SAFETY: the caller's promise.
                    let av = s.splat(unsafe { *p });
                    for v in 0..V {
                        acc[r][v] = s.fma(av, bv[v], acc[r][v]);
                    }
                }
            }};
        }
        let turns = if ADJACENT || term == 1 { self.k / 4 } else { 0 };
        for _ in 0..turns {
            add_term!(0);
            add_term!(1);
            add_term!(2);
            add_term!(3);
            // Past the end after the last term: never read.
            for q in 0..pointers {
                a[q] = a[q].wrapping_add(4 * term);
            }
            b = b.wrapping_add(4 * self.b.row);
        }
        for _ in 4 * turns..self.k {
            add_term!(0);
            for q in 0..pointers {
                a[q] = a[q].wrapping_add(term);
            }
            b = b.wrapping_add(self.b.row);
        }
    }
}

/// `x`, of which the compiler shall not know how it was made: else it makes it anew in every turn of a loop.
#[inline(always)]
#[cfg(any(target_arch = "x86_64", target_arch = "aarch64"))]
fn opaque(mut x: usize) -> usize {
    // SAFETY: no instruction at all.
    unsafe { std::arch::asm!("/* {0} */", inout(reg) x, options(pure, nomem, nostack, preserves_flags)) };
    x
}

#[inline(always)]
#[cfg(not(any(target_arch = "x86_64", target_arch = "aarch64")))]
fn opaque(x: usize) -> usize {
    x
}

#[cfg(test)]
mod tests {
    use super::super::Backend;
    use super::*;
    use crate::rng::{Key, Purpose};
    use proptest::prelude::*;

    fn random(seed: u64, n: usize) -> Vec<f32> {
        let mut x = vec![0.0; n];
        Key::new(seed, Purpose::TaskContent).fill_normal(&mut x);
        x
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(64))]
        /// Against f64 sums; each term is rounded once, so the error is below (k+1)·2⁻²⁴·Σ|a·b|. Every backend: same bits.
        #[test]
        fn agrees_with_f64(m in 1usize..30, n in 1usize..70, k in 0usize..40, transposed: bool, by_column: bool, seed in 0u64..1000) {
            let a = random(seed, m * k + 1);
            let b = random(seed + 1, k * n + 1);
            let bias = random(seed + 2, m.max(n));
            let (row, col) = if transposed { (1, m) } else { (k, 1) };
            let mut results = vec![];
            for cpu in Backend::ALL.into_iter().filter_map(|x| Cpu::new(x).ok()) {
                let mut c = vec![f32::NAN; m * (n + 3)];
                cpu.run(gemm(
                    [m, n, k],
                    MatRef { data: &a, row, col },
                    MatRef { data: &b, row: n, col: 1 },
                    MatMut { data: &mut c, row: n + 3 },
                    if by_column { GemmInit::Columns(&bias[..n]) } else { GemmInit::Rows(&bias) },
                ));
                for i in 0..m {
                    for j in 0..n {
                        let terms = (0..k).map(|q| f64::from(a[i * row + q * col]) * f64::from(b[q * n + j]));
                        let start = f64::from(bias[if by_column { j } else { i }]);
                        let (sum, size) = terms.fold((start, start.abs()), |(s, z), t| (s + t, z + t.abs()));
                        let bound = (k + 1) as f64 * 2f64.powi(-24) * size + 1e-30;
                        prop_assert!((f64::from(c[i * (n + 3) + j]) - sum).abs() <= bound);
                    }
                    prop_assert!(c[i * (n + 3) + n..(i + 1) * (n + 3)].iter().all(|x| x.is_nan()), "wrote past a row");
                }
                results.push(c.into_iter().map(f32::to_bits).collect::<Vec<_>>());
            }
            prop_assert!(results.windows(2).all(|w| w[0] == w[1]));
        }
    }
    /// Blocks of rows and terms change no bit, whatever comes before and after the products.
    #[test]
    fn blocks_give_the_same_bits() {
        let cpu = Cpu::detect().expect("a backend");
        for (m, n, k) in [(200, 5, 300), (193, 17, 3), (3, 40, 513), (7, 9, 256), (192, 2, 0)] {
            let (a, b, values) = (random(1, m * k + 1), random(2, k * n + 1), random(3, m * n));
            let bias = random(4, m.max(n));
            for init in [GemmInit::Zero, GemmInit::Rows(&bias), GemmInit::Columns(&bias), GemmInit::Keep] {
                for epilogue in [Epilogue::None, Epilogue::Relu, Epilogue::Mask(&values)] {
                    let run = |is_blocked: bool| {
                        let mut c = random(5, m * n);
                        let a = MatRef { data: &a, row: k, col: 1 };
                        let b = MatRef { data: &b, row: n, col: 1 };
                        let product = gemm([m, n, k], a, b, MatMut { data: &mut c, row: n }, init);
                        let product = Gemm { epilogue, ..product };
                        if is_blocked {
                            product.run_blocked(cpu)
                        } else {
                            cpu.run(product)
                        }
                        c.into_iter().map(f32::to_bits).collect::<Vec<_>>()
                    };
                    assert!(run(true) == run(false), "{m} x {n} x {k}, {init:?}, {epilogue:?}");
                }
            }
        }
    }

    /// Behind values that are not positive nothing is left, not even of infinities and NaN.
    #[test]
    fn a_mask_keeps_what_is_behind_positive_values() {
        for cpu in Backend::ALL.into_iter().filter_map(|x| Cpu::new(x).ok()) {
            let (a, b) =
                ([1.0], [f32::INFINITY, f32::NEG_INFINITY, f32::NAN, 3.0, f32::INFINITY, -2.0, f32::NAN]);
            let values = [0.0, -1.0, -0.0, f32::NAN, 1e-40, 1.0, 2.0];
            let mut c = [5.0; 7];
            let by_rows = |data, row| MatRef { data, row, col: 1 };
            let out = MatMut { data: &mut c, row: 7 };
            cpu.run(gemm([1, 7, 1], by_rows(&a, 1), by_rows(&b, 7), out, GemmInit::Zero).with_mask(&values));
            assert_eq!(c[..6], [0.0, 0.0, 0.0, 0.0, f32::INFINITY, -2.0]);
            assert!(c[6].is_nan());
        }
    }
}
