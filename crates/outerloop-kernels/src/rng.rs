//! Counter-based, keyed randomness: Philox4x32-10.
//!
//! There is no generator with hidden state. A [`Key`] names a stream; [`Key::fold`] names a sub-stream; element `i`
//! of a stream is a pure function of (key, i). The same key gives the same bits on every platform and thread.
//!
//! # References
//! Salmon, Moraes, Dror, Shaw 2011, "Parallel random numbers: as easy as 1, 2, 3" (Philox4x32-10, Random123).
//! Wichura 1988, "Algorithm AS 241: the percentage points of the normal distribution" (PPND16).

const M0: u32 = 0xD251_1F53;
const M1: u32 = 0xCD9E_8D57;
const W0: u32 = 0x9E37_79B9;
const W1: u32 = 0xBB67_AE85;

/// Counter words that keep the uses of one key apart.
const DOMAIN_FOLD: u32 = 0;
const DOMAIN_STREAM: u32 = 1;

/// What a stream is for: the first thing folded into a seed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u64)]
pub enum Purpose {
    /// Noise on theta.
    Perturbation = 1,
    /// One inner problem: its initial parameters, minibatches and noise.
    Unroll = 2,
    /// First draw of theta.
    ThetaInit = 3,
    /// Drawing of task configs.
    TaskSample = 4,
    /// Fixed content of a task: a quadratic's matrix, label noise.
    TaskContent = 5,
    /// Evaluation runs.
    Evaluation = 6,
}

/// Rounds of Philox4x32-10.
pub(crate) const PHILOX_ROUNDS: usize = 10;

/// One round of Philox4x32.
#[inline(always)]
pub(crate) fn philox_round(counter: [u32; 4], key: [u32; 2]) -> [u32; 4] {
    let p0 = u64::from(M0) * u64::from(counter[0]);
    let p1 = u64::from(M1) * u64::from(counter[2]);
    [(p1 >> 32) as u32 ^ counter[1] ^ key[0], p1 as u32, (p0 >> 32) as u32 ^ counter[3] ^ key[1], p0 as u32]
}

/// Philox4x32-10: ten rounds over `counter` under `key`.
pub fn philox4x32(mut counter: [u32; 4], mut key: [u32; 2]) -> [u32; 4] {
    for _ in 0..PHILOX_ROUNDS {
        counter = philox_round(counter, key);
        key = Key::next_round(key);
    }
    counter
}

/// Name of a random stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Key(u64);

impl Key {
    /// The stream of `seed` for one purpose.
    pub fn new(seed: u64, purpose: Purpose) -> Self {
        Self(seed).fold(purpose as u64)
    }

    /// The sub-stream number `index`.
    pub fn fold(self, index: u64) -> Self {
        let [a, b, ..] = philox4x32([index as u32, (index >> 32) as u32, 0, DOMAIN_FOLD], self.words());
        Self(u64::from(a) | u64::from(b) << 32)
    }

    /// Block `index` of the stream: words `4 * index ..  4 * index + 4`.
    pub fn block(self, index: u64) -> [u32; 4] {
        philox4x32(Self::stream_counter(index), self.words())
    }

    /// What Philox encrypts for block `index` of a stream.
    #[inline(always)]
    pub(crate) fn stream_counter(index: u64) -> [u32; 4] {
        [index as u32, (index >> 32) as u32, 0, DOMAIN_STREAM]
    }

    /// Philox's key of the next round.
    #[inline(always)]
    pub(crate) fn next_round(key: [u32; 2]) -> [u32; 2] {
        [key[0].wrapping_add(W0), key[1].wrapping_add(W1)]
    }

    /// Fills `out` with words `0..out.len()` of the stream.
    pub fn fill_words(self, out: &mut [u32]) {
        for (i, chunk) in out.chunks_mut(4).enumerate() {
            chunk.copy_from_slice(&self.block(i as u64)[..chunk.len()]);
        }
    }

    /// Fills `out` with uniforms of [0, 1): the top 24 bits of each word, times 2⁻²⁴.
    pub fn fill_uniform(self, out: &mut [f32]) {
        self.fill_with(out, |word| (word >> 8) as f32 * (1.0 / 16_777_216.0));
    }

    /// Fills `out` with standard normals: the inverse distribution function ([`normal_quantile`]) of
    /// (word + ½)·2⁻³², so that one word gives one normal and |z| stays below 6.4.
    pub fn fill_normal(self, out: &mut [f32]) {
        self.fill_with(out, |word| normal_from_word(word) as f32);
    }

    /// Fills `out` with normals truncated to [−2, 2] (inverse of the truncated distribution function).
    pub fn fill_truncated_normal(self, out: &mut [f32]) {
        // Φ(−2) and Φ(2) − Φ(−2).
        const LOW: f64 = 0.022_750_131_948_179_21;
        const MASS: f64 = 0.954_499_736_103_641_6;
        self.fill_with(out, |word| {
            normal_quantile(LOW + MASS * (f64::from(word) + 0.5) * TWO_POW_MINUS_32) as f32
        });
    }

    /// Fills `out` with integers of `0..n` by multiply-shift: bias at most n / 2³².
    pub fn fill_integers(self, n: u32, out: &mut [u32]) {
        self.fill_words(out);
        for x in out {
            *x = ((u64::from(*x) * u64::from(n)) >> 32) as u32;
        }
    }

    /// A random order of `0..n` (Fisher–Yates from the end).
    pub fn permutation(self, n: usize) -> Vec<u32> {
        let mut order: Vec<u32> = (0..n as u32).collect();
        for i in (1..n).rev() {
            let word = self.block(i as u64);
            let r = u64::from(word[0]) | u64::from(word[1]) << 32;
            order.swap(i, ((u128::from(r) * (i as u128 + 1)) >> 64) as usize);
        }
        order
    }

    fn fill_with(self, out: &mut [f32], f: impl Fn(u32) -> f32) {
        for (i, chunk) in out.chunks_mut(4).enumerate() {
            for (x, word) in chunk.iter_mut().zip(self.block(i as u64)) {
                *x = f(word);
            }
        }
    }

    pub(crate) fn words(self) -> [u32; 2] {
        [self.0 as u32, (self.0 >> 32) as u32]
    }
}

pub(crate) const TWO_POW_MINUS_32: f64 = 1.0 / 4_294_967_296.0;

fn normal_from_word(word: u32) -> f64 {
    normal_quantile((f64::from(word) + 0.5) * TWO_POW_MINUS_32)
}

/// Numerator and denominator of the quantile within 0.425 of ½, lowest power first.
pub(crate) const QUANTILE_CENTRE: [[f64; 8]; 2] = [
    [
        3.387_132_872_796_366_5,
        133.141_667_891_784_38,
        1_971.590_950_306_551_3,
        13_731.693_765_509_46,
        45_921.953_931_549_87,
        67_265.770_927_008_7,
        33_430.575_583_588_13,
        2_509.080_928_730_122_7,
    ],
    [
        1.0,
        42.313_330_701_600_91,
        687.187_007_492_057_9,
        5_394.196_021_424_751,
        21_213.794_301_586_597,
        39_307.895_800_092_71,
        28_729.085_735_721_943,
        5_226.495_278_852_545,
    ],
];
/// The same for √(−ln p) up to 5 in a tail of probability p.
pub(crate) const QUANTILE_TAIL: [[f64; 8]; 2] = [
    [
        1.423_437_110_749_683_5,
        4.630_337_846_156_546,
        5.769_497_221_460_691,
        3.647_848_324_763_204_5,
        1.270_458_252_452_368_4,
        0.241_780_725_177_450_6,
        0.022_723_844_989_269_184,
        7.745_450_142_783_414e-4,
    ],
    [
        1.0,
        2.053_191_626_637_759,
        1.676_384_830_183_803_8,
        0.689_767_334_985_1,
        0.148_103_976_427_480_08,
        0.015_198_666_563_616_457,
        5.475_938_084_995_345e-4,
        1.050_750_071_644_416_9e-9,
    ],
];

/// Quantile of the standard normal distribution at `p` in (0, 1), to about 1e-16 relative (AS 241, PPND16).
///
/// Only additions, multiplications, divisions, a square root and a portable logarithm: the same bits everywhere.
pub fn normal_quantile(p: f64) -> f64 {
    const E: [f64; 8] = [
        6.657_904_643_501_103,
        5.463_784_911_164_114,
        1.784_826_539_917_291_3,
        0.296_560_571_828_504_87,
        0.026_532_189_526_576_124,
        0.001_242_660_947_388_078_4,
        2.711_555_568_743_487_6e-5,
        2.010_334_399_292_288_1e-7,
    ];
    const F: [f64; 8] = [
        1.0,
        0.599_832_206_555_888,
        0.136_929_880_922_735_8,
        0.014_875_361_290_850_615,
        7.868_691_311_456_133e-4,
        1.846_318_317_510_054_8e-5,
        1.421_511_758_316_446e-7,
        2.044_263_103_389_939_8e-15,
    ];
    fn ratio(num: &[f64; 8], den: &[f64; 8], x: f64) -> f64 {
        let horner = |c: &[f64; 8]| c.iter().rev().fold(0.0, |acc, &k| acc * x + k);
        horner(num) / horner(den)
    }
    let q = p - 0.5;
    if q.abs() <= 0.425 {
        let [a, b] = &QUANTILE_CENTRE;
        return q * ratio(a, b, 0.180_625 - q * q);
    }
    let tail = libm::sqrt(-libm::log(if q < 0.0 { p } else { 1.0 - p }));
    let [c, d] = &QUANTILE_TAIL;
    let z = if tail <= 5.0 { ratio(c, d, tail - 1.6) } else { ratio(&E, &F, tail - 5.0) };
    if q < 0.0 { -z } else { z }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Known answers published with Random123 (kat_vectors, philox4x32 10).
    #[test]
    fn philox_known_answers() {
        assert_eq!(philox4x32([0; 4], [0; 2]), [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]);
        assert_eq!(
            philox4x32([u32::MAX; 4], [u32::MAX; 2]),
            [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
        );
        assert_eq!(
            philox4x32([0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0]),
            [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
        );
    }

    /// Quantiles from tables (Abramowitz & Stegun 26.2; the AS 241 paper's own checks), to their printed digits.
    #[test]
    fn normal_quantiles() {
        for (p, z) in [
            (0.25, -0.674_489_750_196_081_7),
            (0.001, -3.090_232_306_167_813_5),
            (1e-20, -9.262_340_089_798_408),
            (0.975, 1.959_963_984_540_054),
        ] {
            let got = normal_quantile(p);
            assert!((got - z).abs() <= 1e-14 * z.abs(), "p {p}: {got} vs {z}");
        }
        assert_eq!(normal_quantile(0.5), 0.0);
    }

    /// Moments of 2¹⁸ draws; bounds are five standard errors.
    #[test]
    fn moments() {
        let n = 1 << 18;
        let se = 1.0 / (n as f64).sqrt();
        let mut x = vec![0f32; n];
        let moments = |x: &[f32]| {
            let mean = x.iter().map(|&v| f64::from(v)).sum::<f64>() / n as f64;
            (mean, x.iter().map(|&v| (f64::from(v) - mean).powi(2)).sum::<f64>() / n as f64)
        };
        Key::new(1, Purpose::ThetaInit).fill_normal(&mut x);
        let (mean, var) = moments(&x);
        assert!(mean.abs() < 5.0 * se && (var - 1.0).abs() < 5.0 * se * 2f64.sqrt(), "{mean} {var}");
        Key::new(2, Purpose::ThetaInit).fill_uniform(&mut x);
        let (mean, var) = moments(&x);
        assert!((mean - 0.5).abs() < 5.0 * se * 0.29 && (var - 1.0 / 12.0).abs() < 5.0 * se * 0.08);
        assert!(x.iter().all(|v| (0.0..1.0).contains(v)));
        Key::new(3, Purpose::ThetaInit).fill_truncated_normal(&mut x);
        let (_, var) = moments(&x);
        // Variance of a normal truncated to ±2 is 0.879625…².
        assert!((var - 0.773_741).abs() < 5.0 * se * 2.0 && x.iter().all(|v| v.abs() <= 2.0), "{var}");
    }

    #[test]
    fn streams_are_separate_and_repeatable() {
        let k = Key::new(7, Purpose::Unroll);
        assert_eq!(k.fold(3), k.fold(3));
        assert_ne!(k.fold(3), k.fold(4));
        assert_ne!(Key::new(7, Purpose::Perturbation), k);
        let (mut a, mut b) = ([0; 7], [0; 3]);
        k.fill_words(&mut a);
        k.fill_words(&mut b);
        assert_eq!(a[..3], b);
        let mut seen = k.permutation(257);
        assert_ne!(seen, (0..257).collect::<Vec<_>>());
        seen.sort_unstable();
        assert_eq!(seen, (0..257).collect::<Vec<_>>());
        let mut ints = [0; 4096];
        k.fill_integers(10, &mut ints);
        let counts = ints.iter().fold([0; 10], |mut c, &i| {
            c[i as usize] += 1;
            c
        });
        // Binomial(4096, 0.1): five standard deviations are 96.
        assert!(counts.iter().all(|c| (410i32 - c).abs() < 96), "{counts:?}");
    }
}
