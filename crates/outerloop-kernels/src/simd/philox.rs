//! Random words many at a time: the bits of [`Key::fill_words`] and what is made of them.
//!
//! Loops over arrays of fixed length that the compiler turns into vectors.

use super::{Cpu, Kernel, Simd};
use crate::rng::{Key, PHILOX_ROUNDS, philox_round};

/// Philox blocks at a time: the words of a minibatch of 64.
const BLOCKS: usize = 16;

/// Fills `out` with integers of `0..n`: those of [`Key::fill_integers`], faster.
pub fn fill_integers(cpu: Cpu, key: Key, n: u32, out: &mut [u32]) {
    cpu.run(Integers { key, n, out });
}

struct Integers<'a> {
    key: Key,
    n: u32,
    out: &'a mut [u32],
}

impl Kernel for Integers<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, _: S) {
        let n = u64::from(self.n);
        for (chunk, out) in self.out.chunks_mut(4 * BLOCKS).enumerate() {
            let mut by_word = words::<BLOCKS>(self.key, (chunk * BLOCKS) as u64);
            for words in &mut by_word {
                for x in words {
                    *x = ((u64::from(*x) * n) >> 32) as u32;
                }
            }
            for (i, block) in out.chunks_mut(4).enumerate() {
                for (j, x) in block.iter_mut().enumerate() {
                    *x = by_word[j][i];
                }
            }
        }
    }
}

/// Words 0 to 3 of the blocks `first..first + BLOCKS`.
#[inline(always)]
pub(super) fn words<const BLOCKS: usize>(key: Key, first: u64) -> [[u32; BLOCKS]; 4] {
    let (mut c0, mut c1) = ([0u32; BLOCKS], [0u32; BLOCKS]);
    for i in 0..BLOCKS {
        let [low, high, ..] = Key::stream_counter(first + i as u64);
        (c0[i], c1[i]) = (low, high);
    }
    let [.., middle, last] = Key::stream_counter(first);
    let (mut c2, mut c3) = ([middle; BLOCKS], [last; BLOCKS]);
    let mut key = key.words();
    for _ in 0..PHILOX_ROUNDS {
        for i in 0..BLOCKS {
            [c0[i], c1[i], c2[i], c3[i]] = philox_round([c0[i], c1[i], c2[i], c3[i]], key);
        }
        key = Key::next_round(key);
    }
    [c0, c1, c2, c3]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rng::Purpose;
    use crate::simd::Backend;

    #[test]
    fn the_same_integers_on_every_backend() {
        let key = Key::new(5, Purpose::Unroll);
        for cpu in Backend::ALL.into_iter().filter_map(|b| Cpu::new(b).ok()) {
            for (n, len) in [(10_000, 64), (7, 1), (u32::MAX, 133), (1, 4096)] {
                let (mut fast, mut plain) = (vec![1; len], vec![2; len]);
                fill_integers(cpu, key, n, &mut fast);
                key.fill_integers(n, &mut plain);
                assert_eq!(fast, plain);
            }
        }
    }
}
