//! AVX-512 (F, BW, DQ, VL): sixteen lanes in one register.

use super::{Simd, avx2::Avx2};
use std::arch::x86_64::*;

/// Proof that AVX-512 is there; made only by `Cpu::run`.
#[derive(Clone, Copy)]
pub struct Avx512(());

impl Avx512 {
    /// # Safety
    /// The CPU and the operating system support avx512f, avx512bw, avx512dq, avx512vl, avx2 and fma.
    #[inline(always)]
    pub(super) unsafe fn new() -> Self {
        Self(())
    }
}

macro_rules! ops {
    ($($name:ident($($arg:ident),*) = $body:expr;)*) => { $(
        #[inline(always)]
        fn $name(self, $($arg: __m512),*) -> __m512 {
            // SAFETY: `self` proves the features.
            unsafe { $body }
        }
    )* };
}

macro_rules! int {
    ($f:ident($($arg:expr),*)) => { _mm512_castsi512_ps($f($(_mm512_castps_si512($arg)),*)) };
}

#[inline(always)]
fn lane_mask(n: usize) -> __mmask16 {
    ((1u32 << n.min(16)) - 1) as __mmask16
}

impl Simd for Avx512 {
    type V = __m512;
    type M = __mmask16;
    const WIDTH: usize = 16;
    const REGISTERS: usize = 32;

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m512 {
        // SAFETY: the caller's promise, and `self` proves the features.
        unsafe { _mm512_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: __m512) {
        // SAFETY: as `load`.
        unsafe { _mm512_storeu_ps(p, v) }
    }
    #[inline(always)]
    unsafe fn load_first(self, p: *const f32, n: usize) -> __m512 {
        // SAFETY: as `load`; masked lanes are not read.
        unsafe { if n >= 16 { _mm512_loadu_ps(p) } else { _mm512_maskz_loadu_ps(lane_mask(n), p) } }
    }
    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, v: __m512, n: usize) {
        // SAFETY: as `load`; masked lanes are not written.
        unsafe { if n >= 16 { _mm512_storeu_ps(p, v) } else { _mm512_mask_storeu_ps(p, lane_mask(n), v) } }
    }
    #[inline(always)]
    fn splat(self, x: f32) -> __m512 {
        // SAFETY: `self` proves the features.
        unsafe { _mm512_set1_ps(x) }
    }
    ops! {
        add(a, b) = _mm512_add_ps(a, b);
        sub(a, b) = _mm512_sub_ps(a, b);
        mul(a, b) = _mm512_mul_ps(a, b);
        div(a, b) = _mm512_div_ps(a, b);
        sqrt(a) = _mm512_sqrt_ps(a);
        fma(a, b, c) = _mm512_fmadd_ps(a, b, c);
        fnma(a, b, c) = _mm512_fnmadd_ps(a, b, c);
        max(a, b) = _mm512_max_ps(a, b);
        min(a, b) = _mm512_min_ps(a, b);
        and(a, b) = _mm512_and_ps(a, b);
        or(a, b) = _mm512_or_ps(a, b);
        xor(a, b) = _mm512_xor_ps(a, b);
        int_add(a, b) = int!(_mm512_add_epi32(a, b));
        int_sub(a, b) = int!(_mm512_sub_epi32(a, b));
        int_shl_23(a) = _mm512_castsi512_ps(_mm512_slli_epi32::<23>(_mm512_castps_si512(a)));
        int_sar_23(a) = _mm512_castsi512_ps(_mm512_srai_epi32::<23>(_mm512_castps_si512(a)));
        int_shr_1(a) = _mm512_castsi512_ps(_mm512_srli_epi32::<1>(_mm512_castps_si512(a)));
        int_to_float(a) = _mm512_cvtepi32_ps(_mm512_castps_si512(a));
    }
    #[inline(always)]
    fn gt(self, a: __m512, b: __m512) -> __mmask16 {
        // SAFETY: `self` proves the features.
        unsafe { _mm512_cmp_ps_mask::<_CMP_GT_OQ>(a, b) }
    }
    #[inline(always)]
    fn first(self, n: usize) -> __mmask16 {
        lane_mask(n)
    }
    #[inline(always)]
    fn any(self, m: __mmask16) -> bool {
        m != 0
    }
    #[inline(always)]
    fn select(self, m: __mmask16, a: __m512, b: __m512) -> __m512 {
        // SAFETY: `self` proves the features.
        unsafe { _mm512_mask_blend_ps(m, b, a) }
    }
    #[inline(always)]
    fn keep(self, m: __mmask16, a: __m512) -> __m512 {
        // SAFETY: `self` proves the features.
        unsafe { _mm512_maskz_mov_ps(m, a) }
    }
    #[inline(always)]
    fn sum_lanes(self, [all, _]: [__m512; 2]) -> f32 {
        // SAFETY: `self` proves AVX2 too.
        unsafe { Avx2::new().sum_lanes([_mm512_castps512_ps256(all), _mm512_extractf32x8_ps::<1>(all)]) }
    }
    #[inline(always)]
    unsafe fn transpose_8(self, from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
        // SAFETY: the caller's promise; `self` proves AVX2 too.
        unsafe { Avx2::new().transpose_8(from, from_row, to, to_row) }
    }
}
