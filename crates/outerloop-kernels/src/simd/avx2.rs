//! AVX2 with FMA: eight lanes in a register, sixteen logical lanes in two.

use super::{Simd, Terms};
use std::arch::x86_64::*;

/// Proof that AVX2 and FMA are there; made only by `Cpu::run`.
#[derive(Clone, Copy)]
pub struct Avx2(());

impl Avx2 {
    /// # Safety
    /// The CPU supports avx2 and fma.
    #[inline(always)]
    pub(super) unsafe fn new() -> Self {
        Self(())
    }
}

macro_rules! ops {
    ($($name:ident($($arg:ident),*) = $body:expr;)*) => { $(
        #[inline(always)]
        fn $name(self, $($arg: __m256),*) -> __m256 {
            // SAFETY: `self` proves the features.
            unsafe { $body }
        }
    )* };
}

macro_rules! int {
    ($f:ident($($arg:expr),*)) => { _mm256_castsi256_ps($f($(_mm256_castps_si256($arg)),*)) };
}

/// Eight ones and eight zeros: a window of it is the mask of the first n lanes.
static WINDOW: [i32; 16] = [-1, -1, -1, -1, -1, -1, -1, -1, 0, 0, 0, 0, 0, 0, 0, 0];

impl Avx2 {
    #[inline(always)]
    fn lane_mask(self, n: usize) -> __m256i {
        let n = n.min(8);
        // SAFETY: the window starts at 0..=8 and has 8 elements; `self` proves the features.
        unsafe { _mm256_loadu_si256(WINDOW.as_ptr().add(8 - n).cast()) }
    }
}

impl Simd for Avx2 {
    type V = __m256;
    type M = __m256;
    const WIDTH: usize = 8;
    const REGISTERS: usize = 16;

    #[inline(always)]
    unsafe fn load(self, p: *const f32) -> __m256 {
        // SAFETY: the caller's promise, and `self` proves the features.
        unsafe { _mm256_loadu_ps(p) }
    }
    #[inline(always)]
    unsafe fn store(self, p: *mut f32, v: __m256) {
        // SAFETY: as `load`.
        unsafe { _mm256_storeu_ps(p, v) }
    }
    #[inline(always)]
    unsafe fn load_first(self, p: *const f32, n: usize) -> __m256 {
        // SAFETY: as `load`; masked lanes are not read.
        unsafe { if n >= 8 { _mm256_loadu_ps(p) } else { _mm256_maskload_ps(p, self.lane_mask(n)) } }
    }
    /// In halves, quarters and eighths: masked stores take dozens of cycles on AMD's CPUs.
    #[inline(always)]
    unsafe fn store_first(self, mut p: *mut f32, v: __m256, n: usize) {
        // SAFETY: as `load`; writes `n` floats.
        unsafe {
            if n >= 8 {
                return _mm256_storeu_ps(p, v);
            }
            let mut rest = _mm256_castps256_ps128(v);
            if n & 4 != 0 {
                _mm_storeu_ps(p, rest);
                rest = _mm256_extractf128_ps::<1>(v);
                p = p.add(4);
            }
            if n & 2 != 0 {
                _mm_storel_epi64(p.cast(), _mm_castps_si128(rest));
                rest = _mm_movehl_ps(rest, rest);
                p = p.add(2);
            }
            if n & 1 != 0 {
                _mm_store_ss(p, rest);
            }
        }
    }
    #[inline(always)]
    fn splat(self, x: f32) -> __m256 {
        // SAFETY: `self` proves the features.
        unsafe { _mm256_set1_ps(x) }
    }
    ops! {
        add(a, b) = _mm256_add_ps(a, b);
        sub(a, b) = _mm256_sub_ps(a, b);
        mul(a, b) = _mm256_mul_ps(a, b);
        div(a, b) = _mm256_div_ps(a, b);
        sqrt(a) = _mm256_sqrt_ps(a);
        fma(a, b, c) = _mm256_fmadd_ps(a, b, c);
        fnma(a, b, c) = _mm256_fnmadd_ps(a, b, c);
        max(a, b) = _mm256_max_ps(a, b);
        min(a, b) = _mm256_min_ps(a, b);
        and(a, b) = _mm256_and_ps(a, b);
        or(a, b) = _mm256_or_ps(a, b);
        xor(a, b) = _mm256_xor_ps(a, b);
        gt(a, b) = _mm256_cmp_ps::<_CMP_GT_OQ>(a, b);
        select(m, a, b) = _mm256_blendv_ps(b, a, m);
        keep(m, a) = _mm256_and_ps(m, a);
        int_add(a, b) = int!(_mm256_add_epi32(a, b));
        int_sub(a, b) = int!(_mm256_sub_epi32(a, b));
        int_shl_23(a) = _mm256_castsi256_ps(_mm256_slli_epi32::<23>(_mm256_castps_si256(a)));
        int_sar_23(a) = _mm256_castsi256_ps(_mm256_srai_epi32::<23>(_mm256_castps_si256(a)));
        int_shr_1(a) = _mm256_castsi256_ps(_mm256_srli_epi32::<1>(_mm256_castps_si256(a)));
        int_to_float(a) = _mm256_cvtepi32_ps(_mm256_castps_si256(a));
    }
    #[inline(always)]
    fn sum_lanes(self, [low, high]: [__m256; 2]) -> f32 {
        // SAFETY: `self` proves the features.
        unsafe {
            let eight = _mm256_add_ps(low, high);
            let four = _mm_add_ps(_mm256_castps256_ps128(eight), _mm256_extractf128_ps::<1>(eight));
            let two = _mm_add_ps(four, _mm_movehl_ps(four, four));
            _mm_cvtss_f32(_mm_add_ss(two, _mm_shuffle_ps::<1>(two, two)))
        }
    }

    const HAS_TILE_4X3: bool = true;

    #[inline(always)]
    unsafe fn tile_4x3<T: Terms>(
        self,
        k: usize,
        a: *const f32,
        a_step: usize,
        b: *const f32,
        b_step: usize,
        acc: &mut [[__m256; 3]; 4],
    ) {
        // SAFETY: the caller's promise, and `self` proves the features.
        unsafe { tile_4x3::<T>(k, a, 4 * a_step, b, 4 * b_step, acc) }
    }
    #[inline(always)]
    unsafe fn tile_rows_4x3<T: Terms>(
        self,
        k: usize,
        a: *const f32,
        a_step: usize,
        rows: *const *const f32,
        at: usize,
        acc: &mut [[__m256; 3]; 4],
    ) {
        // SAFETY: the caller's promise, and `self` proves the features.
        unsafe { tile_rows_4x3::<T>(k, a, 4 * a_step, rows, 4 * at, acc) }
    }
    #[inline(always)]
    unsafe fn add_dots_4x3(self, w: *const f32, x: &[[__m256; 3]; 4], out: &mut [__m256; 3]) {
        // SAFETY: the caller's promise, and `self` proves the features.
        unsafe { add_dots_4x3(w, x, out) }
    }
    #[inline(always)]
    fn any(self, m: __m256) -> bool {
        // SAFETY: `self` proves the features.
        unsafe { _mm256_movemask_ps(m) != 0 }
    }
    #[inline(always)]
    fn first(self, n: usize) -> __m256 {
        // SAFETY: `self` proves the features.
        unsafe { _mm256_castsi256_ps(self.lane_mask(n)) }
    }
    #[inline(always)]
    unsafe fn transpose_8(self, from: *const f32, from_row: usize, to: *mut f32, to_row: usize) {
        // SAFETY: the caller's promise covers every row; `self` proves the features.
        unsafe {
            for half in 0..2 {
                // Rows r and r + 4, columns 4·half .. 4·half + 4, in the two halves of a register.
                let mut rows = [_mm256_setzero_ps(); 4];
                for r in 0..4 {
                    let low = _mm_loadu_ps(from.add(r * from_row + 4 * half));
                    let high = _mm_loadu_ps(from.add((r + 4) * from_row + 4 * half));
                    rows[r] = _mm256_insertf128_ps::<1>(_mm256_castps128_ps256(low), high);
                }
                let a = _mm256_unpacklo_ps(rows[0], rows[1]);
                let b = _mm256_unpackhi_ps(rows[0], rows[1]);
                let c = _mm256_unpacklo_ps(rows[2], rows[3]);
                let d = _mm256_unpackhi_ps(rows[2], rows[3]);
                let out = to.add(4 * half * to_row);
                _mm256_storeu_ps(out, _mm256_shuffle_ps::<0x44>(a, c));
                _mm256_storeu_ps(out.add(to_row), _mm256_shuffle_ps::<0xEE>(a, c));
                _mm256_storeu_ps(out.add(2 * to_row), _mm256_shuffle_ps::<0x44>(b, d));
                _mm256_storeu_ps(out.add(3 * to_row), _mm256_shuffle_ps::<0xEE>(b, d));
            }
        }
    }
}

/// One term of a tile: three registers of b's row, and each of a's four factors into three sums.
#[rustfmt::skip]
macro_rules! term_4x3 {
    ($b:literal, $a:literal) => {
        concat!(
            "vmovups ymm12, [", $b, "]\n",
            "vmovups ymm13, [", $b, " + 32]\n",
            "vmovups ymm14, [", $b, " + 64]\n",
            "vbroadcastss ymm15, [", $a, "]\n",
            "vfmadd231ps ymm0, ymm12, ymm15\n",
            "vfmadd231ps ymm1, ymm13, ymm15\n",
            "vfmadd231ps ymm2, ymm14, ymm15\n",
            "vbroadcastss ymm15, [", $a, " + 4]\n",
            "vfmadd231ps ymm3, ymm12, ymm15\n",
            "vfmadd231ps ymm4, ymm13, ymm15\n",
            "vfmadd231ps ymm5, ymm14, ymm15\n",
            "vbroadcastss ymm15, [", $a, " + 8]\n",
            "vfmadd231ps ymm6, ymm12, ymm15\n",
            "vfmadd231ps ymm7, ymm13, ymm15\n",
            "vfmadd231ps ymm8, ymm14, ymm15\n",
            "vbroadcastss ymm15, [", $a, " + 12]\n",
            "vfmadd231ps ymm9, ymm12, ymm15\n",
            "vfmadd231ps ymm10, ymm13, ymm15\n",
            "vfmadd231ps ymm11, ymm14, ymm15\n",
        )
    };
}

/// The two tiles with steps in bytes: twelve sums, three registers of b and one of a, which fills the sixteen there are.
/// Compiled code keeps some of them in memory and loses a quarter of its speed. `$turn` is four terms, `$term` one, and what
/// moves b on: terms by fours leave a core that serves two threads more turns for multiply-adds.
///
/// A number of terms that is known is written out, without a branch: short loops of several lengths are foreseen or not as
/// the code around them happens to lie, and where they are not, Celo2's network loses a sixth of its speed.
///
/// Registers can only be named in a function that has the feature itself, so they are none of the trait's.
macro_rules! tile_4x3 {
    ($name:ident, $b:ty, $turn:expr, $term:expr) => {
        /// # Safety
        /// As the trait's function of this name; the CPU supports avx2 and fma.
        #[target_feature(enable = "avx2,fma")]
        #[inline]
        unsafe fn $name<T: Terms>(
            k: usize,
            a: *const f32,
            a_step: usize,
            b: $b,
            b_step: usize,
            acc: &mut [[__m256; 3]; 4],
        ) {
            let [
                [mut c0, mut c1, mut c2],
                [mut c3, mut c4, mut c5],
                [mut c6, mut c7, mut c8],
                [mut c9, mut ca, mut cb],
            ] = *acc;
            // SAFETY: reads what the caller promised, writes registers only.
            unsafe {
                std::arch::asm!(
                    ".if {known}",
                    ".rept {known} / 4",
                    $turn,
                    "lea {a}, [{a} + 4 * {a_step}]",
                    ".endr",
                    ".rept {known} % 4",
                    $term,
                    "add {a}, {a_step}",
                    ".endr",
                    ".else",
                    "test {turns}, {turns}",
                    "jz 3f",
                    ".p2align 5",
                    "2:",
                    $turn,
                    "lea {a}, [{a} + 4 * {a_step}]",
                    "dec {turns}",
                    "jnz 2b",
                    "3:",
                    "test {rest}, {rest}",
                    "jz 5f",
                    "4:",
                    $term,
                    "add {a}, {a_step}",
                    "dec {rest}",
                    "jnz 4b",
                    "5:",
                    ".endif",
                    known = const T::KNOWN,
                    row = out(reg) _,
                    a = inout(reg) a => _,
                    b = inout(reg) b => _,
                    turns = inout(reg) k / 4 => _,
                    rest = inout(reg) k % 4 => _,
                    a_step = in(reg) a_step,
                    a_step_3 = in(reg) 3 * a_step,
                    b_step = in(reg) b_step,
                    inout("ymm0") c0, inout("ymm1") c1, inout("ymm2") c2, inout("ymm3") c3,
                    inout("ymm4") c4, inout("ymm5") c5, inout("ymm6") c6, inout("ymm7") c7,
                    inout("ymm8") c8, inout("ymm9") c9, inout("ymm10") ca, inout("ymm11") cb,
                    out("ymm12") _, out("ymm13") _, out("ymm14") _, out("ymm15") _,
                    options(nostack, readonly),
                );
            }
            *acc = [[c0, c1, c2], [c3, c4, c5], [c6, c7, c8], [c9, ca, cb]];
        }
    };
}

tile_4x3!(
    tile_4x3,
    *const f32,
    concat!(
        "lea {row}, [{b} + 2 * {b_step}]\n",
        term_4x3!("{b}", "{a}"),
        term_4x3!("{b} + {b_step}", "{a} + {a_step}"),
        term_4x3!("{row}", "{a} + 2 * {a_step}"),
        term_4x3!("{row} + {b_step}", "{a} + {a_step_3}"),
        "lea {b}, [{b} + 4 * {b_step}]",
    ),
    concat!(term_4x3!("{b}", "{a}"), "add {b}, {b_step}")
);
tile_4x3!(
    tile_rows_4x3,
    *const *const f32,
    concat!(
        "mov {row}, [{b}]\n",
        term_4x3!("{row} + {b_step}", "{a}"),
        "mov {row}, [{b} + 8]\n",
        term_4x3!("{row} + {b_step}", "{a} + {a_step}"),
        "mov {row}, [{b} + 16]\n",
        term_4x3!("{row} + {b_step}", "{a} + 2 * {a_step}"),
        "mov {row}, [{b} + 24]\n",
        term_4x3!("{row} + {b_step}", "{a} + {a_step_3}"),
        "add {b}, 32",
    ),
    concat!("mov {row}, [{b}]\n", term_4x3!("{row} + {b_step}", "{a}"), "add {b}, 8")
);

/// What a tile's sums add to the next layer's, which lie in memory: with three more registers in use all along, compiled
/// code would keep half the tile there.
/// # Safety
/// As the trait's function of this name; the CPU supports avx2 and fma.
#[target_feature(enable = "avx2,fma")]
#[inline]
unsafe fn add_dots_4x3(w: *const f32, x: &[[__m256; 3]; 4], out: &mut [__m256; 3]) {
    let [[c0, c1, c2], [c3, c4, c5], [c6, c7, c8], [c9, ca, cb]] = *x;
    // SAFETY: reads the weights, and reads and writes `out`.
    unsafe {
        std::arch::asm!(
            "vmovups ymm12, [{out}]",
            "vmovups ymm13, [{out} + 32]",
            "vmovups ymm14, [{out} + 64]",
            "vbroadcastss ymm15, [{w}]",
            "vfmadd231ps ymm12, ymm0, ymm15",
            "vfmadd231ps ymm13, ymm1, ymm15",
            "vfmadd231ps ymm14, ymm2, ymm15",
            "vbroadcastss ymm15, [{w} + 4]",
            "vfmadd231ps ymm12, ymm3, ymm15",
            "vfmadd231ps ymm13, ymm4, ymm15",
            "vfmadd231ps ymm14, ymm5, ymm15",
            "vbroadcastss ymm15, [{w} + 8]",
            "vfmadd231ps ymm12, ymm6, ymm15",
            "vfmadd231ps ymm13, ymm7, ymm15",
            "vfmadd231ps ymm14, ymm8, ymm15",
            "vbroadcastss ymm15, [{w} + 12]",
            "vfmadd231ps ymm12, ymm9, ymm15",
            "vfmadd231ps ymm13, ymm10, ymm15",
            "vfmadd231ps ymm14, ymm11, ymm15",
            "vmovups [{out}], ymm12",
            "vmovups [{out} + 32], ymm13",
            "vmovups [{out} + 64], ymm14",
            w = in(reg) w,
            out = in(reg) out.as_mut_ptr(),
            in("ymm0") c0, in("ymm1") c1, in("ymm2") c2, in("ymm3") c3,
            in("ymm4") c4, in("ymm5") c5, in("ymm6") c6, in("ymm7") c7,
            in("ymm8") c8, in("ymm9") c9, in("ymm10") ca, in("ymm11") cb,
            out("ymm12") _, out("ymm13") _, out("ymm14") _, out("ymm15") _,
            options(nostack),
        );
    }
}
