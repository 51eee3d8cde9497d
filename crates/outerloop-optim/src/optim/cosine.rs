//! The cosine schedule of learning rates that NAdamW has: constant, then half a cosine down to a share of the rate, with
//! an optional linear warm-up before.
//!
//! # References
//! google/learned_optimization at 32186aa, `optimizers/learning_rate_schedules.py`; Metz et al. 2020, arXiv:2002.11887.
//! Difference: the published one is f32 throughout; here the two boundaries are, and the rate is f64.

/// A learning rate over `num_steps` steps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CosineSchedule {
    /// The rate before it falls.
    pub(crate) lr: f32,
    /// The last rate, in units of `lr`.
    pub(crate) min_mult: f32,
    /// Share of the steps at whose end it begins to fall.
    pub(crate) constant_fraction: f32,
    /// Share of the steps that it takes to rise, unless it may stay constant for longer; 0: it does not rise.
    pub(crate) warmup_fraction: f32,
    /// Whether the shorter of both counts instead, as in the first publication.
    pub(crate) warmup_min: bool,
}

impl CosineSchedule {
    /// Whether the rate is always `lr`.
    pub(crate) fn is_constant(&self) -> bool {
        self.min_mult == 1.0 && self.warmup_fraction == 0.0
    }

    /// The rate of the step number `iteration`, counted from 0; `lr` if there are no `num_steps`.
    pub(crate) fn at(&self, iteration: u64, num_steps: u64) -> f64 {
        let (lr, min_mult) = (f64::from(self.lr), f64::from(self.min_mult));
        let (step, steps) = (iteration.min(num_steps) as f64, num_steps as f32);
        let constant = f64::from(steps * self.constant_fraction);
        let pick = if self.warmup_min { f32::min } else { f32::max };
        let warmup = f64::from(steps * pick(self.warmup_fraction, self.constant_fraction));
        if self.warmup_fraction > 0.0 && step < warmup {
            return lr * step / warmup;
        }
        let falling = num_steps as f64 - constant;
        let progress = if falling > 0.0 { (step - constant).max(0.0) / falling } else { 0.0 };
        let share = 0.5 + 0.5 * libm::cos(std::f64::consts::PI * progress);
        lr * (min_mult + (1.0 - min_mult) * share)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schedule(constant_fraction: f32, warmup_fraction: f32) -> CosineSchedule {
        CosineSchedule { lr: 2.0, min_mult: 0.5, constant_fraction, warmup_fraction, warmup_min: false }
    }

    /// By hand: half-way down the cosine is ½, at its end −1; the first warm-up step has no rate.
    #[test]
    fn the_rate_rises_stays_and_falls() {
        let plain = schedule(0.5, 0.0);
        for (t, expected) in [(0, 2.0), (20, 2.0), (30, 1.5), (40, 1.0), (99, 1.0)] {
            assert!((plain.at(t, 40) - expected).abs() < 1e-12, "{t}");
        }
        let warm = schedule(0.25, 0.5);
        // W = 20 by the larger share; the cosine began at 10.
        assert_eq!([0, 5, 19].map(|t| warm.at(t, 40)), [0.0, 0.5, 1.9]);
        assert!((warm.at(20, 40) - (1.0 + 0.5 + 0.5 * (std::f64::consts::PI / 3.0).cos())).abs() < 1e-12);
        // W = 10 by the smaller.
        let min = CosineSchedule { warmup_min: true, ..warm };
        assert_eq!([0, 5, 10].map(|t| min.at(t, 40)), [0.0, 1.0, 2.0]);
        assert_eq!(plain.at(7, 0), 2.0);
    }
}
