//! Elementary functions on vectors, built from IEEE operations only: the same bits on every backend.
//!
//! Polynomials are those of Cephes (Moshier 1992), evaluated with fused multiply-adds. Errors given are the largest
//! seen against `f64` over the tested range (tests below).

use super::Simd;

/// 1.5·2²³: adding it rounds a small float to an integer, held in the low bits.
const ROUND: f32 = 12_582_912.0;
/// ln 2 in two parts.
const LN2_HIGH: f32 = 355.0 / 512.0;
const LN2_LOW: f32 = -2.121_944_4e-4;

/// (eˣ − 1 − x)/x² for |x| ≤ ln 2 / 2.
const EXP: [f32; 6] = [1.987_569_1e-4, 1.398_199_9e-3, 8.333_452e-3, 4.166_579_6e-2, 1.666_666_5e-1, 0.5];

/// Evaluates the polynomial with the given coefficients, highest power first.
#[inline(always)]
fn poly<S: Simd, const N: usize>(s: S, x: S::V, coefficients: &[f32; N]) -> S::V {
    let mut y = s.splat(coefficients[0]);
    for i in 1..N {
        y = s.fma(y, x, s.splat(coefficients[i]));
    }
    y
}

/// `max(x, 0)`; NaN stays NaN.
#[inline(always)]
pub fn relu<S: Simd>(s: S, x: S::V) -> S::V {
    s.max(s.splat(0.0), x)
}

/// eˣ within 2 ulp; results below 2⁻¹²⁶ are 0, above the largest float infinity.
#[inline(always)]
pub fn exp<S: Simd>(s: S, x: S::V) -> S::V {
    const LARGEST: f32 = 88.722_83;
    const SMALLEST: f32 = -87.336_54;
    let clamped = s.clamp(x, SMALLEST, LARGEST);
    let t = s.fma(clamped, s.splat(std::f32::consts::LOG2_E), s.splat(ROUND));
    let n = s.sub(t, s.splat(ROUND));
    let r = s.fnma(n, s.splat(LN2_HIGH), clamped);
    let r = s.fnma(n, s.splat(LN2_LOW), r);
    let p = poly(s, r, &EXP);
    let y = s.add(s.fma(p, s.mul(r, r), r), s.splat(1.0));
    // y·2ⁿ by adding to the exponent: y < 1 where n = 128, y ≥ 1 where n = −126.
    let y = s.int_add(y, s.int_shl_23(t));
    let y = s.select(s.gt(s.splat(SMALLEST), x), s.splat(0.0), y);
    let y = s.select(s.gt(x, s.splat(LARGEST)), s.splat(f32::INFINITY), y);
    s.select(is_nan(s, x), x, y)
}

/// eˣ within 2 ulp for x ≤ 0; below −87.33 it stays at e⁻⁸⁷·³³ = 1.2e-38. Not for x > 0. NaN stays NaN.
#[inline(always)]
pub fn exp_nonpositive<S: Simd>(s: S, x: S::V) -> S::V {
    let x = s.max(s.splat(-87.336_54), x);
    let t = s.fma(x, s.splat(std::f32::consts::LOG2_E), s.splat(ROUND));
    let n = s.sub(t, s.splat(ROUND));
    let r = s.fnma(n, s.splat(LN2_HIGH), x);
    let r = s.fnma(n, s.splat(LN2_LOW), r);
    let p = poly(s, r, &EXP);
    let y = s.add(s.fma(p, s.mul(r, r), r), s.splat(1.0));
    // x − x is 0, or NaN where x is: integer arithmetic would lose it.
    s.add(s.int_add(y, s.int_shl_23(t)), s.sub(x, x))
}

/// ln x within 2 ulp (absolute 1e-7 near 1) for positive normal x; ln 0 and denormals −∞, ln ∞ = ∞, negative NaN.
#[inline(always)]
pub fn ln<S: Simd>(s: S, x: S::V) -> S::V {
    let t = s.int_sub(x, s.splat_bits(0x3f35_04f3));
    let e = s.int_sar_23(t);
    let mantissa = s.int_sub(x, s.int_shl_23(e));
    let e = s.int_to_float(e);
    let z = s.sub(mantissa, s.splat(1.0));
    let p = poly(
        s,
        z,
        &[
            7.037_683_6e-2,
            -1.151_461e-1,
            1.167_699_9e-1,
            -1.242_014_1e-1,
            1.424_932_3e-1,
            -1.666_805_8e-1,
            2.000_071_5e-1,
            -2.499_999_4e-1,
            3.333_333e-1,
        ],
    );
    let z2 = s.mul(z, z);
    let y = s.mul(s.mul(p, z), z2);
    let y = s.fma(e, s.splat(LN2_LOW), y);
    let y = s.fnma(s.splat(0.5), z2, y);
    let y = s.fma(e, s.splat(LN2_HIGH), s.add(z, y));
    let y = s.select(s.gt(x, s.splat(f32::MAX)), s.splat(f32::INFINITY), y);
    let y = s.select(s.gt(s.splat(f32::MIN_POSITIVE), x), s.splat(f32::NEG_INFINITY), y);
    let y = s.select(s.gt(s.splat(0.0), x), s.splat(f32::NAN), y);
    s.select(is_nan(s, x), x, y)
}

/// |x| as an integer is above infinity's only for NaN.
#[inline(always)]
fn is_nan<S: Simd>(s: S, x: S::V) -> S::M {
    let excess = s.int_sub(s.abs(x), s.splat_bits(0x7f80_0000));
    s.gt(s.int_to_float(excess), s.splat(0.0))
}

/// 1/√x by a square root and a division, each correctly rounded: within 1.5 ulp, 0 at ∞, ∞ at 0.
///
/// A start from the bits and two steps of Newton's method take fourteen instructions, and more time.
#[inline(always)]
pub fn rsqrt<S: Simd>(s: S, x: S::V) -> S::V {
    s.div(s.splat(1.0), s.sqrt(x))
}

/// 1/(1 + e⁻ˣ) within 3 ulp.
#[inline(always)]
pub fn sigmoid<S: Simd>(s: S, x: S::V) -> S::V {
    let one = s.splat(1.0);
    s.div(one, s.add(one, exp(s, s.sub(s.splat(0.0), x))))
}

/// tanh x within 3 ulp.
#[inline(always)]
pub fn tanh<S: Simd>(s: S, x: S::V) -> S::V {
    let magnitude = s.abs(x);
    let sign = s.xor(x, magnitude);
    let z = s.mul(x, x);
    let p = poly(s, z, &[-5.704_988_7e-3, 2.063_909e-2, -5.373_971_6e-2, 1.333_144_2e-1, -3.333_328e-1]);
    let small = s.fma(s.mul(p, z), x, x);
    let e = exp(s, s.add(magnitude, magnitude));
    let large = s.sub(s.splat(1.0), s.div(s.splat(2.0), s.add(e, s.splat(1.0))));
    s.select(s.gt(magnitude, s.splat(0.625)), s.or(large, sign), small)
}

/// (cos x, sin x), absolute error below 2e-7 for |x| ≤ 8192. Arguments are clamped to ±10⁵.
#[inline(always)]
pub fn cos_sin<S: Simd>(s: S, x: S::V) -> (S::V, S::V) {
    let x = s.clamp(x, -1e5, 1e5);
    let t = s.fma(x, s.splat(std::f32::consts::FRAC_2_PI), s.splat(ROUND));
    let n = s.sub(t, s.splat(ROUND));
    // π/2 in three parts.
    let r = s.fnma(n, s.splat(1.570_796_4), x);
    let r = s.fnma(n, s.splat(-4.371_139e-8), r);
    let r = s.fnma(n, s.splat(-1.715_124_5e-15), r);
    let z = s.mul(r, r);
    let sin = s.fma(s.mul(poly(s, z, &[-1.951_529_6e-4, 8.332_161e-3, -1.666_665_5e-1]), z), r, r);
    let cos = s.fma(
        s.mul(poly(s, z, &[2.443_315_7e-5, -1.388_731_6e-3, 4.166_664_6e-2]), z),
        z,
        s.fnma(s.splat(0.5), z, s.splat(1.0)),
    );

    // Quadrant q: cos is c, −s, −c, s and sin is s, c, −s, −c.
    let odd = has_bit(s, t, 1);
    let cos_negative = has_bit(s, s.int_add(t, s.splat_bits(1)), 2);
    let (c, d) = (s.select(odd, sin, cos), s.select(odd, cos, sin));
    let zero = s.splat(0.0);
    (s.select(cos_negative, s.sub(zero, c), c), s.select(has_bit(s, t, 2), s.sub(zero, d), d))
}

/// Whether a bit of the pattern is set.
#[inline(always)]
fn has_bit<S: Simd>(s: S, x: S::V, mask: u32) -> S::M {
    s.gt(s.int_to_float(s.and(x, s.splat_bits(mask))), s.splat(0.5))
}

#[cfg(test)]
mod tests {
    use super::super::{Backend, Cpu, Kernel};
    use super::*;

    #[derive(Clone, Copy, Debug)]
    enum Function {
        Exp,
        ExpNonpositive,
        Ln,
        Rsqrt,
        Sigmoid,
        Tanh,
        Cos,
        Sin,
    }

    struct Map<'a>(Function, &'a [f32], &'a mut [f32]);

    impl Kernel for Map<'_> {
        type Output = ();
        #[inline(always)]
        fn run<S: Simd>(self, s: S) {
            let Self(f, x, y) = self;
            for i in (0..x.len()).step_by(S::WIDTH) {
                let n = (x.len() - i).min(S::WIDTH);
                // SAFETY: `n` floats remain in both slices, which are of one length.
                unsafe {
                    let v = s.load_first(x.as_ptr().add(i), n);
                    let r = match f {
                        Function::Exp => exp(s, v),
                        Function::ExpNonpositive => exp_nonpositive(s, v),
                        Function::Ln => ln(s, v),
                        Function::Rsqrt => rsqrt(s, v),
                        Function::Sigmoid => sigmoid(s, v),
                        Function::Tanh => tanh(s, v),
                        Function::Cos => cos_sin(s, v).0,
                        Function::Sin => cos_sin(s, v).1,
                    };
                    s.store_first(y.as_mut_ptr().add(i), r, n);
                }
            }
        }
    }

    fn apply(cpu: Cpu, f: Function, x: &[f32]) -> Vec<f32> {
        let mut y = vec![0.0; x.len()];
        cpu.run(Map(f, x, &mut y));
        y
    }

    fn backends() -> Vec<Cpu> {
        Backend::ALL.into_iter().filter_map(|b| Cpu::new(b).ok()).collect()
    }

    fn exact(f: Function, x: f32) -> f64 {
        let x = f64::from(x);
        match f {
            Function::Exp | Function::ExpNonpositive => libm::exp(x),
            Function::Ln => libm::log(x),
            Function::Rsqrt => 1.0 / x.sqrt(),
            Function::Sigmoid => 1.0 / (1.0 + libm::exp(-x)),
            Function::Tanh => libm::tanh(x),
            Function::Cos => libm::cos(x),
            Function::Sin => libm::sin(x),
        }
    }

    /// Largest error in units of the last place of the exact value, over 2¹⁸ points of [low, high].
    fn worst_ulp(f: Function, low: f32, high: f32, geometric: bool) -> f64 {
        let n = 1 << 18;
        let x: Vec<f32> = (0..n)
            .map(|i| {
                let u = i as f32 / (n - 1) as f32;
                if geometric { low * (high / low).powf(u) } else { low + (high - low) * u }
            })
            .collect();
        let y = apply(Cpu::detect().expect("a backend"), f, &x);
        x.iter().zip(&y).fold(0.0, |worst, (&x, &y)| {
            let want = exact(f, x);
            let ulp = f64::from(f32::EPSILON) * 2f64.powi((want.abs().log2().floor() as i32).max(-126));
            worst.max((f64::from(y) - want).abs() / ulp)
        })
    }

    #[test]
    fn errors_are_as_documented() {
        let within = |f, low, high, geometric, ulps| {
            let worst = worst_ulp(f, low, high, geometric);
            assert!(worst <= ulps, "{f:?} on [{low}, {high}]: {worst} ulp");
        };
        within(Function::Exp, -87.3, 88.7, false, 2.0);
        within(Function::ExpNonpositive, -87.3, 0.0, false, 2.0);
        within(Function::Ln, 2.0, 1e38, true, 2.0);
        within(Function::Ln, 1.2e-38, 0.5, true, 2.0);
        within(Function::Rsqrt, 1.2e-38, 3e38, true, 1.5);
        within(Function::Sigmoid, -80.0, 80.0, false, 3.0);
        within(Function::Tanh, -9.0, 9.0, false, 3.0);
        for f in [Function::Cos, Function::Sin] {
            let x: Vec<f32> = (0..1 << 18).map(|i| (i as f32 / 131_072.0 - 1.0) * 8192.0).collect();
            let y = apply(Cpu::detect().expect("a backend"), f, &x);
            let worst = x.iter().zip(&y).fold(0f64, |w, (&x, &y)| w.max((f64::from(y) - exact(f, x)).abs()));
            assert!(worst < 2e-7, "{f:?} {worst}");
        }
    }

    #[test]
    fn special_values() {
        let cpu = Cpu::detect().expect("a backend");
        let inf = f32::INFINITY;
        assert_eq!(apply(cpu, Function::Exp, &[0.0, -inf, inf, -100.0, 89.0]), [1.0, 0.0, inf, 0.0, inf]);
        assert_eq!(apply(cpu, Function::Ln, &[1.0, 0.0, inf]), [0.0, -inf, inf]);
        assert_eq!(apply(cpu, Function::Rsqrt, &[4.0, inf])[1], 0.0);
        assert_eq!(apply(cpu, Function::Tanh, &[0.0, inf, -inf, 20.0]), [0.0, 1.0, -1.0, 1.0]);
        assert_eq!(apply(cpu, Function::Sigmoid, &[0.0, inf, -inf]), [0.5, 1.0, 0.0]);
        assert_eq!(apply(cpu, Function::ExpNonpositive, &[0.0, -0.0])[..], [1.0, 1.0]);
        assert!(apply(cpu, Function::ExpNonpositive, &[-inf])[0] < 1.3e-38);
        for f in [
            Function::Exp,
            Function::ExpNonpositive,
            Function::Ln,
            Function::Rsqrt,
            Function::Sigmoid,
            Function::Tanh,
        ] {
            assert!(apply(cpu, f, &[f32::NAN])[0].is_nan(), "{f:?}");
        }
        assert!(apply(cpu, Function::Ln, &[-1.0])[0].is_nan());
    }

    /// Denormals and both zeros. tanh −0 and sin −0 may be +0.
    #[test]
    fn denormals_and_zeros() {
        let cpu = Cpu::detect().expect("a backend");
        let tiny = [0.0, -0.0, 1e-40, -1e-40, f32::from_bits(1), -f32::MIN_POSITIVE];
        assert!(apply(cpu, Function::Exp, &tiny).iter().all(|&y| y == 1.0));
        assert!(apply(cpu, Function::Sigmoid, &tiny).iter().all(|&y| y == 0.5));
        assert!(apply(cpu, Function::Cos, &tiny).iter().all(|&y| y == 1.0));
        for f in [Function::Tanh, Function::Sin] {
            for (x, y) in tiny.iter().zip(apply(cpu, f, &tiny)) {
                assert!(
                    (x - y).abs() <= f32::from_bits(1)
                        && (*x == 0.0 || x.is_sign_negative() == y.is_sign_negative()),
                    "{f:?} {x:e} {y:e}"
                );
            }
        }
        let logs = apply(cpu, Function::Ln, &[-0.0, 1e-40, -1e-40]);
        assert_eq!(logs[..2], [f32::NEG_INFINITY; 2]);
        assert!(logs[2].is_nan());
    }

    #[test]
    fn all_backends_give_the_same_bits() {
        let x: Vec<f32> = (0..100_003u32).map(|i| f32::from_bits(i.wrapping_mul(42_949))).collect();
        for f in [
            Function::Exp,
            Function::ExpNonpositive,
            Function::Ln,
            Function::Rsqrt,
            Function::Sigmoid,
            Function::Tanh,
            Function::Cos,
            Function::Sin,
        ] {
            let bits = |cpu| -> Vec<u32> {
                let canonical = |v: f32| if v.is_nan() { f32::NAN } else { v };
                apply(cpu, f, &x).into_iter().map(|v| canonical(v).to_bits()).collect()
            };
            let all: Vec<_> = backends().into_iter().map(bits).collect();
            for other in &all[1..] {
                let differs = (0..x.len()).find(|&i| all[0][i] != other[i]);
                assert_eq!(differs.map(|i| (x[i], all[0][i], other[i])), None, "{f:?}");
            }
        }
    }
}
