//! NEON: four lanes in a register of the machine, taken in pairs, so that sixteen logical lanes are two as with AVX2.

use super::Simd;
use std::arch::aarch64::*;

/// Proof that NEON is there; made only by `Cpu::run`.
#[derive(Clone, Copy)]
pub struct Neon(());

impl Neon {
    /// # Safety
    /// The CPU supports neon.
    #[inline(always)]
    pub(super) unsafe fn new() -> Self {
        Self(())
    }
}

/// Lanes 0 to 3 and 4 to 7.
type Pair = [float32x4_t; 2];

/// Functions that do to both halves what is written for one.
macro_rules! ops {
    ($($name:ident($($arg:ident: $of:ty),*) -> $to:ty = $body:expr;)*) => { $(
        #[inline(always)]
        fn $name(self, $($arg: [$of; 2]),*) -> [$to; 2] {
            // SAFETY: `self` proves the feature.
            unsafe { [{ $(let $arg = $arg[0];)* $body }, { $(let $arg = $arg[1];)* $body }] }
        }
    )* };
    ($($name:ident($($arg:ident),*) = $body:expr;)*) => {
        ops! { $($name($($arg: float32x4_t),*) -> float32x4_t = $body;)* }
    };
}

macro_rules! int {
    ($f:ident($($arg:expr),*)) => { vreinterpretq_f32_u32($f($(vreinterpretq_u32_f32($arg)),*)) };
}

/// The first `n` of four floats, then zeros; four if `n` is more.
/// # Safety
/// `p` is readable for `min(n, 4)` floats, and the CPU supports neon.
#[inline(always)]
unsafe fn load_quarter(p: *const f32, n: usize) -> float32x4_t {
    // SAFETY: the caller's promise: only the first `n` are read.
    unsafe {
        let zero = vdupq_n_f32(0.0);
        match n {
            0 => zero,
            1 => vld1q_lane_f32::<0>(p, zero),
            2 => vcombine_f32(vld1_f32(p), vget_high_f32(zero)),
            3 => vld1q_lane_f32::<2>(p.add(2), vcombine_f32(vld1_f32(p), vget_high_f32(zero))),
            _ => vld1q_f32(p),
        }
    }
}

/// Stores the first `n` of four floats; four if `n` is more.
/// # Safety
/// `p` is writable for `min(n, 4)` floats, and the CPU supports neon.
#[inline(always)]
unsafe fn store_quarter(p: *mut f32, v: float32x4_t, n: usize) {
    // SAFETY: the caller's promise: only the first `n` are written.
    unsafe {
        match n {
            0 => {}
            1 => vst1q_lane_f32::<0>(p, v),
            2 => vst1_f32(p, vget_low_f32(v)),
            3 => {
                vst1_f32(p, vget_low_f32(v));
                vst1q_lane_f32::<2>(p.add(2), v);
            }
            _ => vst1q_f32(p, v),
        }
    }
}

/// Lane numbers, to compare with a count.
static NUMBERS: [u32; 8] = [0, 1, 2, 3, 4, 5, 6, 7];

impl Simd for Neon {
    type V = Pair;
    type M = [uint32x4_t; 2];
    const WIDTH: usize = 8;
    /// Of the 32 there are, as pairs.
    const REGISTERS: usize = 16;

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> Pair {
        // SAFETY: the caller's promise, and `self` proves the feature.
        unsafe { [vld1q_f32(p), vld1q_f32(p.add(4))] }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: Pair) {
        // SAFETY: as `load`.
        unsafe {
            vst1q_f32(p, v[0]);
            vst1q_f32(p.add(4), v[1]);
        }
    }
    #[inline(always)]
    unsafe fn load_first(self, p: *const f32, n: usize) -> Pair {
        // SAFETY: as `load`; lanes from `n` on are not read, and the second half starts within the array if it has any.
        unsafe { [load_quarter(p, n), load_quarter(p.wrapping_add(4), n.saturating_sub(4))] }
    }
    #[inline(always)]
    unsafe fn store_first(self, p: *mut f32, v: Pair, n: usize) {
        // SAFETY: as `load_first`; lanes from `n` on are not written.
        unsafe {
            store_quarter(p, v[0], n);
            store_quarter(p.wrapping_add(4), v[1], n.saturating_sub(4));
        }
    }
    #[inline(always)]
    fn splat(self, x: f32) -> Pair {
        // SAFETY: `self` proves the feature.
        unsafe { [vdupq_n_f32(x); 2] }
    }
    // Not `vmaxq` and `vminq`: they return NaN when either operand is.
    ops! {
        add(a, b) = vaddq_f32(a, b);
        sub(a, b) = vsubq_f32(a, b);
        mul(a, b) = vmulq_f32(a, b);
        div(a, b) = vdivq_f32(a, b);
        sqrt(a) = vsqrtq_f32(a);
        fma(a, b, c) = vfmaq_f32(c, a, b);
        fnma(a, b, c) = vfmsq_f32(c, a, b);
        max(a, b) = vbslq_f32(vcgtq_f32(a, b), a, b);
        min(a, b) = vbslq_f32(vcltq_f32(a, b), a, b);
        and(a, b) = int!(vandq_u32(a, b));
        or(a, b) = int!(vorrq_u32(a, b));
        xor(a, b) = int!(veorq_u32(a, b));
        int_add(a, b) = int!(vaddq_u32(a, b));
        int_sub(a, b) = int!(vsubq_u32(a, b));
        int_shl_23(a) = vreinterpretq_f32_s32(vshlq_n_s32::<23>(vreinterpretq_s32_f32(a)));
        int_sar_23(a) = vreinterpretq_f32_s32(vshrq_n_s32::<23>(vreinterpretq_s32_f32(a)));
        int_shr_1(a) = vreinterpretq_f32_u32(vshrq_n_u32::<1>(vreinterpretq_u32_f32(a)));
        int_to_float(a) = vcvtq_f32_s32(vreinterpretq_s32_f32(a));
    }
    ops! {
        gt(a: float32x4_t, b: float32x4_t) -> uint32x4_t = vcgtq_f32(a, b);
        select(m: uint32x4_t, a: float32x4_t, b: float32x4_t) -> float32x4_t = vbslq_f32(m, a, b);
        keep(m: uint32x4_t, a: float32x4_t) -> float32x4_t =
            vreinterpretq_f32_u32(vandq_u32(m, vreinterpretq_u32_f32(a)));
    }
    #[inline(always)]
    fn any(self, m: [uint32x4_t; 2]) -> bool {
        // SAFETY: `self` proves the features.
        unsafe { vmaxvq_u32(vorrq_u32(m[0], m[1])) != 0 }
    }
    #[inline(always)]
    fn first(self, n: usize) -> [uint32x4_t; 2] {
        // SAFETY: two quarters of eight numbers; `self` proves the feature.
        unsafe {
            let count = vdupq_n_u32(n.min(8) as u32);
            let p = NUMBERS.as_ptr();
            [vcltq_u32(vld1q_u32(p), count), vcltq_u32(vld1q_u32(p.add(4)), count)]
        }
    }
    #[inline(always)]
    unsafe fn transpose_8(self, from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
        // SAFETY: the caller's promise covers every row; `self` proves the feature.
        unsafe {
            for block in 0..4 {
                // Rows `4·down ..` and columns `4·right ..` of `from`.
                let (down, right) = (block / 2, block % 2);
                let rows = from.add(4 * down * from_row + 4 * right);
                let r0 = vld1q_f32(rows);
                let r1 = vld1q_f32(rows.add(from_row));
                let r2 = vld1q_f32(rows.add(2 * from_row));
                let r3 = vld1q_f32(rows.add(3 * from_row));
                // Columns 0 and 2 of two rows each, then columns 1 and 3.
                let a = vreinterpretq_f64_f32(vtrn1q_f32(r0, r1));
                let b = vreinterpretq_f64_f32(vtrn1q_f32(r2, r3));
                let c = vreinterpretq_f64_f32(vtrn2q_f32(r0, r1));
                let d = vreinterpretq_f64_f32(vtrn2q_f32(r2, r3));
                let out = to.add(4 * right * to_row + 4 * down);
                vst1q_f32(out, vreinterpretq_f32_f64(vtrn1q_f64(a, b)));
                vst1q_f32(out.add(to_row), vreinterpretq_f32_f64(vtrn1q_f64(c, d)));
                vst1q_f32(out.add(2 * to_row), vreinterpretq_f32_f64(vtrn2q_f64(a, b)));
                vst1q_f32(out.add(3 * to_row), vreinterpretq_f32_f64(vtrn2q_f64(c, d)));
            }
        }
    }
}
