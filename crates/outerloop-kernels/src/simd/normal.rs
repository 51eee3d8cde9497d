//! Standard normals many at a time: the bits of [`Key::fill_normal`].
//!
//! Loops over arrays of fixed length that the compiler turns into vectors. All operations are IEEE's, in the order in which
//! the scalar code has them, so the results are the same to the last bit. Three quarters of Philox's and of the polynomials'
//! time go this way; what a learned optimizer with many weights spends on its noise is mostly that.

use super::philox::words;
use super::{Cpu, Kernel, Simd};
use crate::rng::{Key, QUANTILE_CENTRE, QUANTILE_TAIL, TWO_POW_MINUS_32};

/// Philox blocks at a time.
const BLOCKS: usize = 64;
/// Words at a time: four a block.
const WORDS: usize = 4 * BLOCKS;

/// Fills `out` with standard normals: those of [`Key::fill_normal`], faster.
pub fn fill_normal(cpu: Cpu, key: Key, out: &mut [f32]) {
    cpu.run(Normals { key, out });
}

struct Normals<'a> {
    key: Key,
    out: &'a mut [f32],
}

impl Kernel for Normals<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let (mut by_word, mut normals) = ([0f32; WORDS], [0f32; WORDS]);
        let mut words_of_chunk = [0; WORDS];
        for (chunk, out) in self.out.chunks_mut(WORDS).enumerate() {
            let blocks = words::<BLOCKS>(self.key, (chunk * BLOCKS) as u64);
            for (j, part) in blocks.iter().enumerate() {
                words_of_chunk[j * BLOCKS..][..BLOCKS].copy_from_slice(part);
            }
            quantiles(&words_of_chunk, &mut by_word);
            // Word j of block i is number 4·i + j of the stream, and stands at j·BLOCKS + i.
            for i in 0..BLOCKS {
                for j in 0..4 {
                    normals[4 * i + j] = by_word[j * BLOCKS + i];
                }
            }
            out.copy_from_slice(&normals[..out.len()]);
        }
    }
}

/// Quantiles of (word + ½)·2⁻³², as `normal_quantile` has them: the centre for all, then the tails for those beyond.
#[inline(always)]
fn quantiles(words: &[u32; WORDS], out: &mut [f32; WORDS]) {
    let mut q = [0f64; WORDS];
    for i in 0..WORDS {
        q[i] = (f64::from(words[i]) + 0.5) * TWO_POW_MINUS_32 - 0.5;
    }
    let [a, b] = QUANTILE_CENTRE;
    for i in 0..WORDS {
        out[i] = (q[i] * ratio(&a, &b, 0.180_625 - q[i] * q[i])) as f32;
    }
    // 15 % lie beyond: gathered, so that no register computes a tail for one of its lanes alone.
    let (mut beyond, mut count) = ([0usize; WORDS], 0);
    for i in 0..WORDS {
        beyond[count] = i;
        count += usize::from(q[i].abs() > 0.425);
    }
    for group in beyond[..count].chunks(TAILS) {
        let mut p = [0.25f64; TAILS];
        for (p, &i) in p.iter_mut().zip(group) {
            // p or 1 − p, exactly: q has 33 bits.
            *p = 0.5 - q[i].abs();
        }
        let z = tails(&p);
        for (&z, &i) in z.iter().zip(group) {
            out[i] = (if q[i] < 0.0 { -z } else { z }) as f32;
        }
    }
}

/// Tails at a time.
const TAILS: usize = 16;

/// The absolute quantiles of `p` in [2⁻³³, 0.075], where √(−ln p) is below 5.
#[inline(always)]
fn tails(p: &[f64; TAILS]) -> [f64; TAILS] {
    let [c, d] = QUANTILE_TAIL;
    let mut z = [0f64; TAILS];
    for i in 0..TAILS {
        let tail = (-ln(p[i])).sqrt();
        z[i] = ratio(&c, &d, tail - 1.6);
    }
    z
}

#[inline(always)]
fn ratio(num: &[f64; 8], den: &[f64; 8], x: f64) -> f64 {
    let (mut n, mut d) = (0.0, 0.0);
    for i in 0..8 {
        n = n * x + num[7 - i];
        d = d * x + den[7 - i];
    }
    n / d
}

/// ln x for normal x > 0 other than 1: the bits of `libm::log` (fdlibm's `e_log.c`), without its branches.
#[inline(always)]
fn ln(x: f64) -> f64 {
    const LN2_HIGH: f64 = 6.931_471_803_691_238e-1;
    const LN2_LOW: f64 = 1.908_214_929_270_587_7e-10;
    const LG: [f64; 7] = [
        6.666_666_666_666_735e-1,
        3.999_999_999_940_942e-1,
        2.857_142_874_366_239e-1,
        2.222_219_843_214_978_4e-1,
        1.818_357_216_161_805e-1,
        1.531_383_769_920_937_3e-1,
        1.479_819_860_511_658_6e-1,
    ];
    // x = 2ᵏ·(1 + f) with 1 + f in [√½, √2].
    let bits = x.to_bits();
    let shifted = (bits >> 32) + (0x3ff0_0000 - 0x3fe6_a09e);
    let k = (shifted >> 20) as i32 - 0x3ff;
    let high = (shifted & 0x000f_ffff) + 0x3fe6_a09e;
    let f = f64::from_bits(high << 32 | bits & 0xffff_ffff) - 1.0;
    let half = 0.5 * f * f;
    let s = f / (2.0 + f);
    let z = s * s;
    let w = z * z;
    let even = w * (LG[1] + w * (LG[3] + w * LG[5]));
    let odd = z * (LG[0] + w * (LG[2] + w * (LG[4] + w * LG[6])));
    let k = f64::from(k);
    s * (half + (odd + even)) + k * LN2_LOW - half + f + k * LN2_HIGH
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Purpose;
    use crate::simd::Backend;

    /// Every length around the block sizes, on every backend; long enough for all branches.
    #[test]
    fn normals_are_those_of_the_stream_to_the_bit() {
        let key = Key::new(5, Purpose::Perturbation).fold(3);
        let mut expected = vec![0f32; 9_001];
        key.fill_normal(&mut expected);
        for backend in Backend::ALL.into_iter().filter(|b| b.is_available()) {
            let cpu = Cpu::new(backend).expect("available");
            for len in [0, 1, 3, 4, 5, WORDS - 1, WORDS, WORDS + 1, 9_001] {
                let mut got = vec![0f32; len];
                fill_normal(cpu, key, &mut got);
                let same = got.iter().zip(&expected).all(|(a, b)| a.to_bits() == b.to_bits());
                assert!(same, "{backend:?} {len}");
            }
        }
    }

    /// The ends of the range and both sides of the border between centre and tail.
    #[test]
    fn quantiles_of_special_words() {
        let border = (0.075 / TWO_POW_MINUS_32) as u32;
        let mut words = [0u32; WORDS];
        for (i, word) in words.iter_mut().enumerate() {
            let i = i as u32;
            *word = match i % 4 {
                0 => i / 4,
                1 => u32::MAX - i / 4,
                2 => border - 32 + i / 4,
                _ => u32::MAX - border - 32 + i / 4,
            };
        }
        let mut got = [0f32; WORDS];
        quantiles(&words, &mut got);
        for (word, got) in words.iter().zip(got) {
            let expected = crate::rng::normal_quantile((f64::from(*word) + 0.5) * TWO_POW_MINUS_32) as f32;
            assert_eq!(got.to_bits(), expected.to_bits(), "{word}");
        }
    }

    /// Over the tails' whole range, to the bit.
    #[test]
    fn ln_is_libms() {
        let mut x = 2f64.powi(-33);
        while x < 0.08 {
            assert_eq!(ln(x).to_bits(), libm::log(x).to_bits(), "{x}");
            x *= 1.000_37;
        }
    }
}
