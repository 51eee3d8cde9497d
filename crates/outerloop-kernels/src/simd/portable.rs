//! Plain Rust, eight lanes in an array: any CPU. Slow where the CPU has no fused multiply-add.

use super::Simd;

/// The backend that is always there.
#[derive(Clone, Copy)]
pub struct Portable;

/// Eight floats.
#[derive(Clone, Copy)]
pub struct F32x8([f32; 8]);

fn bits(f: impl Fn(u32, u32) -> u32, a: F32x8, b: F32x8) -> F32x8 {
    zip(|x, y| f32::from_bits(f(x.to_bits(), y.to_bits())), a, b)
}

fn map(f: impl Fn(f32) -> f32, a: F32x8) -> F32x8 {
    F32x8(a.0.map(f))
}

fn zip(f: impl Fn(f32, f32) -> f32, a: F32x8, b: F32x8) -> F32x8 {
    F32x8(std::array::from_fn(|i| f(a.0[i], b.0[i])))
}

impl Simd for Portable {
    type V = F32x8;
    type M = [bool; 8];
    const WIDTH: usize = 8;
    const REGISTERS: usize = 16;
    const IS_TILED: bool = false;

    unsafe fn load(self, p: *const f32) -> F32x8 {
        // SAFETY: the caller's promise.
        F32x8(unsafe { p.cast::<[f32; 8]>().read_unaligned() })
    }
    unsafe fn store(self, p: *mut f32, v: F32x8) {
        // SAFETY: the caller's promise.
        unsafe { p.cast::<[f32; 8]>().write_unaligned(v.0) }
    }
    unsafe fn load_first(self, p: *const f32, n: usize) -> F32x8 {
        // SAFETY: the caller's promise: only the first `n` are read.
        F32x8(std::array::from_fn(|i| if i < n { unsafe { *p.add(i) } } else { 0.0 }))
    }
    unsafe fn store_first(self, p: *mut f32, v: F32x8, n: usize) {
        for (i, &x) in v.0.iter().enumerate().take(n) {
            // SAFETY: the caller's promise: only the first `n` are written.
            unsafe { *p.add(i) = x };
        }
    }
    fn splat(self, x: f32) -> F32x8 {
        F32x8([x; 8])
    }
    fn add(self, a: F32x8, b: F32x8) -> F32x8 {
        zip(|x, y| x + y, a, b)
    }
    fn sub(self, a: F32x8, b: F32x8) -> F32x8 {
        zip(|x, y| x - y, a, b)
    }
    fn mul(self, a: F32x8, b: F32x8) -> F32x8 {
        zip(|x, y| x * y, a, b)
    }
    fn div(self, a: F32x8, b: F32x8) -> F32x8 {
        zip(|x, y| x / y, a, b)
    }
    fn sqrt(self, a: F32x8) -> F32x8 {
        map(f32::sqrt, a)
    }
    fn fma(self, a: F32x8, b: F32x8, c: F32x8) -> F32x8 {
        F32x8(std::array::from_fn(|i| a.0[i].mul_add(b.0[i], c.0[i])))
    }
    fn fnma(self, a: F32x8, b: F32x8, c: F32x8) -> F32x8 {
        F32x8(std::array::from_fn(|i| (-a.0[i]).mul_add(b.0[i], c.0[i])))
    }
    fn max(self, a: F32x8, b: F32x8) -> F32x8 {
        zip(|x, y| if x > y { x } else { y }, a, b)
    }
    fn min(self, a: F32x8, b: F32x8) -> F32x8 {
        zip(|x, y| if x < y { x } else { y }, a, b)
    }
    fn and(self, a: F32x8, b: F32x8) -> F32x8 {
        bits(|x, y| x & y, a, b)
    }
    fn or(self, a: F32x8, b: F32x8) -> F32x8 {
        bits(|x, y| x | y, a, b)
    }
    fn xor(self, a: F32x8, b: F32x8) -> F32x8 {
        bits(|x, y| x ^ y, a, b)
    }
    fn gt(self, a: F32x8, b: F32x8) -> [bool; 8] {
        std::array::from_fn(|i| a.0[i] > b.0[i])
    }
    fn first(self, n: usize) -> [bool; 8] {
        std::array::from_fn(|i| i < n)
    }
    fn any(self, m: [bool; 8]) -> bool {
        m.contains(&true)
    }
    fn select(self, m: [bool; 8], a: F32x8, b: F32x8) -> F32x8 {
        F32x8(std::array::from_fn(|i| if m[i] { a.0[i] } else { b.0[i] }))
    }
    fn keep(self, m: [bool; 8], a: F32x8) -> F32x8 {
        self.select(m, a, self.splat(0.0))
    }
    fn int_add(self, a: F32x8, b: F32x8) -> F32x8 {
        bits(u32::wrapping_add, a, b)
    }
    fn int_sub(self, a: F32x8, b: F32x8) -> F32x8 {
        bits(u32::wrapping_sub, a, b)
    }
    fn int_shl_23(self, a: F32x8) -> F32x8 {
        bits(|x, _| x << 23, a, a)
    }
    fn int_sar_23(self, a: F32x8) -> F32x8 {
        bits(|x, _| ((x as i32) >> 23) as u32, a, a)
    }
    fn int_shr_1(self, a: F32x8) -> F32x8 {
        bits(|x, _| x >> 1, a, a)
    }
    fn int_to_float(self, a: F32x8) -> F32x8 {
        map(|x| x.to_bits() as i32 as f32, a)
    }
}
