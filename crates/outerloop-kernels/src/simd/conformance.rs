//! Every operation of every backend on special values, against what its documentation says.

use super::{Backend, Count, Cpu, Kernel, LaneSum, Simd, Terms, sum_lanes};
use crate::simd::LANES;
use std::marker::PhantomData;

/// Zeros, ones, the smallest and largest normals, a denormal, infinities, NaN, and numbers that round.
const VALUES: [f32; 18] = [
    0.0,
    -0.0,
    1.0,
    -1.0,
    0.1,
    -0.3,
    3.0,
    1e-40,
    -1e-40,
    f32::MIN_POSITIVE,
    f32::MAX,
    f32::MIN,
    1e30,
    -1e-30,
    f32::INFINITY,
    f32::NEG_INFINITY,
    f32::NAN,
    16_777_217.0,
];

#[derive(Clone, Copy, Debug)]
enum Op {
    Add,
    Sub,
    Mul,
    Div,
    Sqrt,
    Fma,
    Fnma,
    Max,
    Min,
    And,
    Or,
    Xor,
    Select,
    Keep,
    IntAdd,
    IntSub,
    IntShl23,
    IntSar23,
    IntShr1,
    IntToFloat,
    Clamp,
    Abs,
}

const OPS: [Op; 22] = [
    Op::Add,
    Op::Sub,
    Op::Mul,
    Op::Div,
    Op::Sqrt,
    Op::Fma,
    Op::Fnma,
    Op::Max,
    Op::Min,
    Op::And,
    Op::Or,
    Op::Xor,
    Op::Select,
    Op::Keep,
    Op::IntAdd,
    Op::IntSub,
    Op::IntShl23,
    Op::IntSar23,
    Op::IntShr1,
    Op::IntToFloat,
    Op::Clamp,
    Op::Abs,
];

/// The operation in plain Rust.
fn expected(op: Op, a: f32, b: f32, c: f32) -> f32 {
    let bits = f32::from_bits;
    match op {
        Op::Add => a + b,
        Op::Sub => a - b,
        Op::Mul => a * b,
        Op::Div => a / b,
        Op::Sqrt => a.sqrt(),
        Op::Fma => a.mul_add(b, c),
        Op::Fnma => (-a).mul_add(b, c),
        Op::Max => {
            if a > b {
                a
            } else {
                b
            }
        }
        Op::Min => {
            if a < b {
                a
            } else {
                b
            }
        }
        Op::And => bits(a.to_bits() & b.to_bits()),
        Op::Or => bits(a.to_bits() | b.to_bits()),
        Op::Xor => bits(a.to_bits() ^ b.to_bits()),
        Op::Select => {
            if a > b {
                b
            } else {
                c
            }
        }
        Op::Keep => {
            if a > b {
                c
            } else {
                0.0
            }
        }
        Op::IntAdd => bits(a.to_bits().wrapping_add(b.to_bits())),
        Op::IntSub => bits(a.to_bits().wrapping_sub(b.to_bits())),
        Op::IntShl23 => bits(a.to_bits() << 23),
        Op::IntSar23 => bits((a.to_bits().cast_signed() >> 23).cast_unsigned()),
        Op::IntShr1 => bits(a.to_bits() >> 1),
        Op::IntToFloat => a.to_bits().cast_signed() as f32,
        Op::Clamp => {
            let high = if -0.5 > a { -0.5 } else { a };
            if 2.0 < high { 2.0 } else { high }
        }
        Op::Abs => a.abs(),
    }
}

struct Apply<'a> {
    op: Op,
    operands: [&'a [f32]; 3],
    out: &'a mut [f32],
}

impl Kernel for Apply<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let [a, b, c] = self.operands;
        for at in (0..a.len()).step_by(S::WIDTH) {
            let n = (a.len() - at).min(S::WIDTH);
            // SAFETY: `n` floats remain in all four slices, which are of one length.
            unsafe {
                let (x, y, z) = (
                    s.load_first(a.as_ptr().add(at), n),
                    s.load_first(b.as_ptr().add(at), n),
                    s.load_first(c.as_ptr().add(at), n),
                );
                let r = match self.op {
                    Op::Add => s.add(x, y),
                    Op::Sub => s.sub(x, y),
                    Op::Mul => s.mul(x, y),
                    Op::Div => s.div(x, y),
                    Op::Sqrt => s.sqrt(x),
                    Op::Fma => s.fma(x, y, z),
                    Op::Fnma => s.fnma(x, y, z),
                    Op::Max => s.max(x, y),
                    Op::Min => s.min(x, y),
                    Op::And => s.and(x, y),
                    Op::Or => s.or(x, y),
                    Op::Xor => s.xor(x, y),
                    Op::Select => s.select(s.gt(x, y), y, z),
                    Op::Keep => s.keep(s.gt(x, y), z),
                    Op::IntAdd => s.int_add(x, y),
                    Op::IntSub => s.int_sub(x, y),
                    Op::IntShl23 => s.int_shl_23(x),
                    Op::IntSar23 => s.int_sar_23(x),
                    Op::IntShr1 => s.int_shr_1(x),
                    Op::IntToFloat => s.int_to_float(x),
                    Op::Clamp => s.clamp(x, -0.5, 2.0),
                    Op::Abs => s.abs(x),
                };
                s.store_first(self.out.as_mut_ptr().add(at), r, n);
            }
        }
    }
}

fn canonical(x: f32) -> u32 {
    if x.is_nan() { f32::NAN.to_bits() } else { x.to_bits() }
}

fn backends() -> impl Iterator<Item = Cpu> {
    Backend::ALL.into_iter().filter_map(|b| Cpu::new(b).ok())
}

/// All triples of special values; NaN counts as NaN, whatever its payload.
#[test]
fn every_operation_is_as_documented_on_special_values() {
    let mut operands: [Vec<f32>; 3] = Default::default();
    for a in VALUES {
        for b in VALUES {
            for c in VALUES {
                operands.iter_mut().zip([a, b, c]).for_each(|(list, x)| list.push(x));
            }
        }
    }
    for cpu in backends() {
        for op in OPS {
            let mut out = vec![0.0; operands[0].len()];
            cpu.run(Apply { op, operands: operands.each_ref().map(|x| &x[..]), out: &mut out });
            for (i, got) in out.into_iter().enumerate() {
                let [a, b, c] = operands.each_ref().map(|x| x[i]);
                let want = expected(op, a, b, c);
                assert_eq!(
                    canonical(got),
                    canonical(want),
                    "{:?} {op:?} {a:e} {b:e} {c:e}: {got:e} {want:e}",
                    cpu.backend()
                );
            }
        }
    }
}

struct Sum<'a>(&'a [f32]);

impl Kernel for Sum<'_> {
    type Output = f32;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> f32 {
        let mut sum = LaneSum::zero(s);
        for group in self.0.chunks_exact(LANES) {
            for half in 0..LANES / S::WIDTH {
                // SAFETY: `half * WIDTH + WIDTH <= LANES`.
                sum.add(s, half, unsafe { s.load(group.as_ptr().add(half * S::WIDTH)) });
            }
        }
        sum.total(s)
    }
}

/// One sum in as many running lanes as a register of `width` has.
fn sum_by_width(x: &[f32], width: usize) -> f32 {
    let mut lanes = [0.0; LANES];
    for (i, x) in x.iter().enumerate() {
        lanes[i % width] += x;
    }
    sum_lanes(&lanes)
}

/// With the control that the logical lanes matter: summed by the register's own width, the numbers give other bits.
#[test]
fn sums_have_the_same_bits_on_every_backend_and_by_width_would_not() {
    let x: Vec<f32> = (0..4096).map(|i| (f64::from(i) * 0.7).sin() as f32).collect();
    for cpu in backends() {
        assert_eq!(cpu.run(Sum(&x)).to_bits(), sum_by_width(&x, LANES).to_bits(), "{:?}", cpu.backend());
    }
    assert_ne!(sum_by_width(&x, 8).to_bits(), sum_by_width(&x, 16).to_bits());
    assert_ne!(sum_by_width(&x, 4).to_bits(), sum_by_width(&x, 8).to_bits());
}

/// Copies `n` floats by a partial load and a partial store.
struct CopyFirst<'a> {
    from: &'a [f32],
    to: &'a mut [f32],
}

impl Kernel for CopyFirst<'_> {
    type Output = usize;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> usize {
        let n = self.from.len().min(S::WIDTH);
        assert!(self.to.len() >= n);
        // SAFETY: both slices hold `n` floats.
        unsafe { s.store_first(self.to.as_mut_ptr(), s.load_first(self.from.as_ptr(), n), n) };
        n
    }
}

/// Nothing past the `n` floats is written, and a slice that ends there is all that is read.
#[test]
fn partial_registers_touch_no_more_than_they_should() {
    let from: Vec<f32> = (1..=LANES).map(|i| i as f32).collect();
    for cpu in backends() {
        for n in 0..=LANES {
            let mut to = [-1.0; 2 * LANES];
            let copied = cpu.run(CopyFirst { from: &from[LANES - n..], to: &mut to });
            for (i, x) in to.into_iter().enumerate() {
                let want = if i < copied { from[LANES - n + i] } else { -1.0 };
                assert_eq!(x, want, "{:?} {n} at {i}", cpu.backend());
            }
        }
    }
}

/// Factors of a tile's rows.
const FACTORS: [f32; 4] = [0.7, -1.3, 0.1, 2.9];

/// The two tiles, one with rows anywhere in memory, and the first one's first row with all its rows times [`FACTORS`] added.
struct Tiles<'a, T> {
    a: &'a [f32],
    b: &'a [f32],
    k: usize,
    out: &'a mut [f32],
    terms: PhantomData<T>,
}

impl<T: Terms> Kernel for Tiles<'_, T> {
    type Output = bool;

    #[inline(always)]
    fn run<S: Simd>(self, s: S) -> bool {
        if !S::HAS_TILE_4X3 {
            return false;
        }
        let (Self { a, b, k, out, .. }, width) = (self, 3 * S::WIDTH);
        assert!(a.len() >= 4 * k && b.len() >= k * width && out.len() >= 9 * width);
        let rows: Vec<*const f32> = (0..k).map(|i| b[i * width..].as_ptr().wrapping_sub(5)).collect();
        // SAFETY: the lengths were checked; `at` undoes what the rows' pointers are short of.
        unsafe {
            let mut acc = [[[s.splat(0.0); 3]; 4]; 2];
            s.tile_4x3::<T>(k, a.as_ptr(), 4, b.as_ptr(), width, &mut acc[0]);
            s.tile_rows_4x3::<T>(k, a.as_ptr(), 4, rows.as_ptr(), 5, &mut acc[1]);
            let mut dots = acc[0][0];
            s.add_dots_4x3(FACTORS.as_ptr(), &acc[0], &mut dots);
            for v in 0..3 {
                s.store(out.as_mut_ptr().add(8 * width + v * S::WIDTH), dots[v]);
            }
            for which in 0..2 {
                for r in 0..4 {
                    for v in 0..3 {
                        let place = out.as_mut_ptr().add((which * 4 + r) * width + v * S::WIDTH);
                        s.store(place, acc[which][r][v]);
                    }
                }
            }
        }
        true
    }
}

/// Against fused multiply-adds in order.
#[test]
fn tiles_are_multiply_adds_in_order() {
    let wave = |n: usize, f: f64| -> Vec<f32> { (0..n).map(|i| (i as f64 * f).sin() as f32).collect() };
    for cpu in backends() {
        for k in [0, 1, 7, 18] {
            let (a, b) = (wave(4 * k, 0.9), wave(k * 3 * LANES, 0.37));
            let mut out = vec![0.0; 9 * 3 * LANES];
            if !cpu.run(Tiles { a: &a, b: &b, k, out: &mut out, terms: PhantomData::<Count<0>> }) {
                continue;
            }
            let mut known = vec![0.0; out.len()];
            let (a, b) = (&a, &b);
            match k {
                1 => cpu.run(Tiles { a, b, k, out: &mut known, terms: PhantomData::<Count<1>> }),
                7 => cpu.run(Tiles { a, b, k, out: &mut known, terms: PhantomData::<Count<7>> }),
                18 => cpu.run(Tiles { a, b, k, out: &mut known, terms: PhantomData::<Count<18>> }),
                _ => cpu.run(Tiles { a, b, k, out: &mut known, terms: PhantomData::<Count<0>> }),
            };
            assert!(known.iter().map(|x| x.to_bits()).eq(out.iter().map(|x| x.to_bits())), "known {k}");
            let width = 24;
            for (i, got) in out.iter().take(8 * width).enumerate() {
                let (r, j) = (i / width % 4, i % width);
                let want = (0..k).fold(0f32, |acc, q| a[4 * q + r].mul_add(b[q * width + j], acc));
                assert_eq!(
                    got.to_bits(),
                    want.to_bits(),
                    "{:?} k {k}, tile {}",
                    cpu.backend(),
                    i / width / 4
                );
            }
            for j in 0..width {
                let rows = (0..4).map(|r| out[r * width + j]);
                let want = rows.zip(FACTORS).fold(out[j], |acc, (x, factor)| factor.mul_add(x, acc));
                assert_eq!(out[8 * width + j].to_bits(), want.to_bits(), "{:?} k {k}", cpu.backend());
            }
        }
    }
}
