//! Vector kernels: one source, several instruction sets, the same bits.
//!
//! A [`Kernel`] is written once, generic over [`Simd`], and entered through [`Cpu::run`], which compiles its body with
//! the instruction set's features. All arithmetic is IEEE single precision with explicit fused multiply-adds; no
//! estimate instructions are used. Sums over an array run in sixteen logical lanes (element index mod 16) whatever
//! the register width, and are combined in one fixed tree ([`sum_lanes`]). Sums inside [`gemm`] run over `k` in order
//! for every output element. Hence a backend changes speed, never bits.
//!
//! In kernels, arrays of registers are walked by index, without closures: iterator adapters and closures are not
//! reliably inlined into a function with target features, and what is not inlined calls every instruction as a function.
#![allow(clippy::needless_range_loop, reason = "see the last paragraph above")]

#[cfg(target_arch = "x86_64")]
mod avx2;
#[cfg(target_arch = "x86_64")]
mod avx512;
#[cfg(target_arch = "aarch64")]
mod neon;

mod aligned;
#[cfg(test)]
mod conformance;
mod cpu;
mod denormals;
mod gemm;
mod math;
mod normal;
mod peak;
mod philox;
mod portable;
mod stream;
mod workers;

pub use aligned::AlignedVec;
pub use cpu::{Backend, Cpu, Kernel};
pub use denormals::FlushDenormals;
pub use gemm::{GemmInit, MatMut, MatRef, gemm};
pub use math::{cos_sin, exp, exp_nonpositive, ln, relu, rsqrt, sigmoid, tanh};
pub use normal::fill_normal;
pub use peak::fma_flops_per_second;
pub use philox::fill_integers;
pub use stream::stream_bytes_per_second;
pub use workers::Workers;

/// Logical lanes of every reduction, and the unit all arrays are padded to.
pub const LANES: usize = crate::params::ALIGN;

/// Operations on one register of an instruction set.
///
/// The value itself is a proof that the instruction set is there: only [`Cpu::run`] makes one. `max` and `min` are
/// `a > b ? a : b` and `a < b ? a : b`, so the second operand is returned when either is NaN.
pub trait Simd: Copy + 'static {
    /// One register of floats.
    type V: Copy;
    /// One register's worth of truth values.
    type M: Copy;
    /// Floats per register; divides [`LANES`].
    const WIDTH: usize;
    /// Number of registers.
    const REGISTERS: usize;
    /// Whether large kernels are worth tiles of several registers, each code of its own; without them they are short.
    const IS_TILED: bool = true;

    /// Loads `WIDTH` floats.
    /// # Safety
    /// `p` is readable for `WIDTH` floats.
    unsafe fn load(self, p: *const f32) -> Self::V;
    /// Stores `WIDTH` floats.
    /// # Safety
    /// `p` is writable for `WIDTH` floats.
    unsafe fn store(self, p: *mut f32, v: Self::V);
    /// Loads the first `n <= WIDTH` floats; the rest are zero.
    /// # Safety
    /// `p` is readable for `n` floats.
    unsafe fn load_first(self, p: *const f32, n: usize) -> Self::V;
    /// Stores the first `n <= WIDTH` floats.
    /// # Safety
    /// `p` is writable for `n` floats.
    unsafe fn store_first(self, p: *mut f32, v: Self::V, n: usize);
    /// All lanes `x`.
    fn splat(self, x: f32) -> Self::V;
    /// All lanes the float with bit pattern `bits`.
    #[inline(always)]
    fn splat_bits(self, bits: u32) -> Self::V {
        self.splat(f32::from_bits(bits))
    }
    /// `a + b`.
    fn add(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a - b`.
    fn sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a * b`.
    fn mul(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a / b`.
    fn div(self, a: Self::V, b: Self::V) -> Self::V;
    /// `√a`, correctly rounded.
    fn sqrt(self, a: Self::V) -> Self::V;
    /// `a * b + c` with one rounding.
    fn fma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `c - a * b` with one rounding.
    fn fnma(self, a: Self::V, b: Self::V, c: Self::V) -> Self::V;
    /// `a > b ? a : b`.
    fn max(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a < b ? a : b`.
    fn min(self, a: Self::V, b: Self::V) -> Self::V;
    /// Bitwise and.
    fn and(self, a: Self::V, b: Self::V) -> Self::V;
    /// Bitwise or.
    fn or(self, a: Self::V, b: Self::V) -> Self::V;
    /// Bitwise exclusive or.
    fn xor(self, a: Self::V, b: Self::V) -> Self::V;
    /// `a > b`; false if either is NaN.
    fn gt(self, a: Self::V, b: Self::V) -> Self::M;
    /// Lane number below `n`.
    fn first(self, n: usize) -> Self::M;
    /// `m ? a : b`.
    fn select(self, m: Self::M, a: Self::V, b: Self::V) -> Self::V;
    /// `m ? a : 0`.
    fn keep(self, m: Self::M, a: Self::V) -> Self::V;
    /// Whether any lane of a mask is set.
    fn any(self, m: Self::M) -> bool;
    /// Bit patterns added as integers.
    fn int_add(self, a: Self::V, b: Self::V) -> Self::V;
    /// Bit patterns subtracted as integers.
    fn int_sub(self, a: Self::V, b: Self::V) -> Self::V;
    /// Bit pattern shifted left by 23.
    fn int_shl_23(self, a: Self::V) -> Self::V;
    /// Bit pattern shifted right arithmetically by 23.
    fn int_sar_23(self, a: Self::V) -> Self::V;
    /// Bit pattern shifted right logically by 1.
    fn int_shr_1(self, a: Self::V) -> Self::V;
    /// Bit pattern, read as a signed integer, to float.
    fn int_to_float(self, a: Self::V) -> Self::V;

    /// The sum of sixteen lanes in the tree of [`sum_lanes`]; the second register is unused where one holds them all.
    #[inline(always)]
    fn sum_lanes(self, registers: [Self::V; 2]) -> f32 {
        let mut lanes = [0.0; LANES];
        for half in 0..LANES / Self::WIDTH {
            // SAFETY: `half * WIDTH + WIDTH <= LANES`.
            unsafe { self.store(lanes.as_mut_ptr().add(half * Self::WIDTH), registers[half]) };
        }
        sum_lanes(&lanes)
    }

    /// Whether [`Simd::tile_4x3`] and what goes with it are there: where compilers spill its fifteen live registers.
    const HAS_TILE_4X3: bool = false;

    /// `acc[r][v] += Σ_k a[k · a_step + r] · b[k · b_step + v · WIDTH ..]`: fused multiply-adds in order of k.
    /// # Safety
    /// `a` is readable for 4, `b` for 3 · `WIDTH` floats at each of `k` steps.
    #[inline(always)]
    unsafe fn tile_4x3<T: Terms>(
        self,
        _k: usize,
        _a: *const f32,
        _a_step: usize,
        _b: *const f32,
        _b_step: usize,
        _acc: &mut [[Self::V; 3]; 4],
    ) {
        unreachable!("only where HAS_TILE_4X3 says so")
    }

    /// [`Simd::tile_4x3`] where row k of b starts at `rows[k] + at`.
    /// # Safety
    /// `a` is readable for 4, the rows from `at` for 3 · `WIDTH` floats at each of `k` steps.
    #[inline(always)]
    unsafe fn tile_rows_4x3<T: Terms>(
        self,
        _k: usize,
        _a: *const f32,
        _a_step: usize,
        _rows: *const *const f32,
        _at: usize,
        _acc: &mut [[Self::V; 3]; 4],
    ) {
        unreachable!("only where HAS_TILE_4X3 says so")
    }

    /// `out[v] += Σ_r w[r] · x[r][v]`: fused multiply-adds in order of r.
    /// # Safety
    /// `w` is readable for 4 floats.
    #[inline(always)]
    unsafe fn add_dots_4x3(self, _w: *const f32, _x: &[[Self::V; 3]; 4], _out: &mut [Self::V; 3]) {
        unreachable!("only where HAS_TILE_4X3 says so")
    }

    /// `to[j, i] = from[i, j]` for 8×8 floats, rows `from_row` and `to_row` apart. Data movement only.
    /// # Safety
    /// `from` is readable and `to` writable for eight rows of eight.
    #[inline(always)]
    unsafe fn transpose_8(self, from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
        for i in 0..8 {
            for j in 0..8 {
                // SAFETY: the caller's promise.
                unsafe { *to.add(j * to_row + i) = *from.add(i * from_row + j) };
            }
        }
    }
    /// `min(max(a, low), high)`; NaN stays NaN.
    #[inline(always)]
    fn clamp(self, a: Self::V, low: f32, high: f32) -> Self::V {
        self.min(self.splat(high), self.max(self.splat(low), a))
    }
    /// Absolute value.
    #[inline(always)]
    fn abs(self, a: Self::V) -> Self::V {
        self.and(a, self.splat_bits(0x7fff_ffff))
    }
}

/// How many terms a tile's sums have, if that is known when code is compiled.
pub trait Terms {
    /// So many, or 0: not known.
    const KNOWN: usize;
}

/// `K` terms.
pub struct Count<const K: usize>;

impl<const K: usize> Terms for Count<K> {
    const KNOWN: usize = K;
}

/// Running sums in [`LANES`] logical lanes; the second register is unused where one holds all lanes.
#[derive(Clone, Copy)]
pub struct LaneSum<S: Simd>(pub [S::V; 2]);

impl<S: Simd> LaneSum<S> {
    /// All zero.
    #[inline(always)]
    pub fn zero(s: S) -> Self {
        Self([s.splat(0.0); 2])
    }

    /// Adds `a * b` to the lanes of register `half` of a group.
    #[inline(always)]
    pub fn fma(&mut self, s: S, half: usize, a: S::V, b: S::V) {
        self.0[half] = s.fma(a, b, self.0[half]);
    }

    /// Adds `a` to the lanes of register `half` of a group.
    #[inline(always)]
    pub fn add(&mut self, s: S, half: usize, a: S::V) {
        self.0[half] = s.add(self.0[half], a);
    }

    /// The sum over all lanes, in the fixed tree.
    #[inline(always)]
    pub fn total(self, s: S) -> f32 {
        s.sum_lanes(self.0)
    }
}

/// The totals of the first `count` of several running sums.
#[inline(always)]
pub fn totals<S: Simd, const N: usize>(s: S, sums: &[LaneSum<S>; N], count: usize) -> [f32; N] {
    let mut out = [0.0; N];
    for i in 0..count {
        out[i] = sums[i].total(s);
    }
    out
}

/// Asks for the cache line of `p`, which is likely to be read soon. Any address will do.
#[inline(always)]
pub fn prefetch<T>(p: *const T) {
    #[cfg(target_arch = "x86_64")]
    // SAFETY: part of SSE, which every x86-64 CPU has; it does not access memory.
    unsafe {
        std::arch::x86_64::_mm_prefetch::<{ std::arch::x86_64::_MM_HINT_T0 }>(p.cast());
    }
    #[cfg(not(target_arch = "x86_64"))]
    let _ = p;
}

/// Sum of sixteen lanes by the tree (i, i+8), (i, i+4), (i, i+2), (i, i+1).
#[inline(always)]
pub fn sum_lanes(lanes: &[f32; LANES]) -> f32 {
    let mut x = *lanes;
    for width in [8, 4, 2, 1] {
        for i in 0..width {
            x[i] += x[i + width];
        }
    }
    x[0]
}
