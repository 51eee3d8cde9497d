//! A segment under way: lanes of a particle step together and share the minibatches. A thread without other work takes some
//! of them over.

use super::lane::BoundLane;
use super::plan::{LossSource, Reduce, Target};
use super::shared::Advance;
use crate::data::Split;
use crate::error::Result;
use crate::rng::Key;
use crate::simd::FlushDenormals;
use crate::task::{Batch, Plan, Task};
use std::ops::Range;
use std::sync::atomic::{AtomicBool, Ordering};

/// Minibatch numbers of measurements start here, beyond those of training.
const MEASURED: u64 = 1 << 41;
/// Inner steps between reports: all threads count in one place, which each takes from the other's cache.
const TOLD_EVERY: u64 = 16;
/// Most lanes of a particle.
pub(super) const MAX_LANES: usize = 3;

/// A particle's problem, with the scratch of running it.
pub(super) struct Problem<'a> {
    call: &'a Advance<'a>,
    task: &'a dyn Task,
    key: Key,
    plan: Box<dyn Plan>,
    train: Batch,
    valid: Batch,
    measured: Batch,
}

/// Meta-losses of one lane, reduced as they come.
#[derive(Clone, Copy)]
struct Reduced {
    reduce: Reduce,
    value: f64,
    count: u64,
}

impl Reduced {
    fn new(reduce: Reduce) -> Self {
        Self { reduce, value: 0.0, count: 0 }
    }

    fn add(&mut self, loss: f64) {
        self.value = match self.reduce {
            Reduce::Mean => self.value + loss,
            Reduce::Last => loss,
            Reduce::Min if self.count == 0 || loss.is_nan() || loss < self.value => loss,
            // Once it is no number, nothing is less.
            Reduce::Min => self.value,
        };
        self.count += 1;
    }

    fn total(self) -> f64 {
        if self.reduce == Reduce::Mean { self.value / self.count as f64 } else { self.value }
    }
}

impl<'a> Problem<'a> {
    /// The problem that `key` names.
    pub(super) fn new(call: &'a Advance<'a>, task: &'a dyn Task, key: Key) -> Self {
        let plan = task.plan();
        let (train, valid, measured) = (Batch::default(), Batch::default(), Batch::default());
        Self { call, task, key, plan, train, valid, measured }
    }

    /// Runs the inner steps `inner_steps` of `lanes`; returns each lane's meta-loss.
    pub(super) fn run(&mut self, lanes: &mut [BoundLane], inner_steps: Range<u64>) -> Result<Vec<f64>> {
        let mut reduced = vec![Reduced::new(self.call.shared.meta_loss.reduce); lanes.len()];
        self.steps(lanes, &mut reduced, inner_steps)?;
        Ok(reduced.into_iter().map(Reduced::total).collect())
    }

    /// The inner steps `inner_steps` of `lanes`; their losses go to `reduced`.
    fn steps(
        &mut self,
        lanes: &mut [BoundLane],
        reduced: &mut [Reduced],
        inner_steps: Range<u64>,
    ) -> Result<()> {
        let Advance { control, ref occupancy, shared, .. } = *self.call;
        let meta_loss = shared.meta_loss;
        let is_apart = meta_loss.source != LossSource::Train;
        let mut untold = 0;
        for t in inner_steps.clone() {
            control.check()?;
            if lanes.len() > 1 && occupancy.claim() {
                control.add(untold);
                return self.share(lanes, reduced, t..inner_steps.end);
            }
            self.step(lanes, t, if is_apart { None } else { Some(&mut *reduced) });
            let is_due = match meta_loss.every {
                Some(every) => (t + 1).is_multiple_of(every),
                None => t + 1 == inner_steps.end,
            };
            // Where none fell into the segment, its end stands for it.
            let is_last_chance = t + 1 == inner_steps.end && reduced[0].count == 0;
            if is_apart && (is_due || is_last_chance) {
                self.measure(lanes, t, reduced);
            }
            untold += lanes.len() as u64;
            if (t + 1).is_multiple_of(TOLD_EVERY) || t + 1 == inner_steps.end {
                control.add(untold);
                untold = 0;
            }
        }
        Ok(())
    }

    /// [`Problem::steps`] on two threads, the other of which was claimed. It draws the same minibatches.
    fn share(
        &mut self,
        lanes: &mut [BoundLane],
        reduced: &mut [Reduced],
        inner_steps: Range<u64>,
    ) -> Result<()> {
        let (call, task, key) = (self.call, self.task, self.key);
        let kept = lanes.len().div_ceil(2);
        let (lanes, given_lanes) = lanes.split_at_mut(kept);
        let (reduced, given_reduced) = reduced.split_at_mut(kept);
        let given_steps = inner_steps.clone();
        // The part that ends first leaves a thread free, on whichever it ran.
        let is_one_left = AtomicBool::new(false);
        let end = |outcome: Result<()>| {
            if !is_one_left.swap(true, Ordering::Relaxed) {
                call.occupancy.end();
            }
            outcome
        };
        let (ours, given) = rayon::join(
            || end(self.steps(lanes, reduced, inner_steps)),
            || {
                let _flush = FlushDenormals::on();
                end(Problem::new(call, task, key).steps(given_lanes, given_reduced, given_steps))
            },
        );
        ours.and(given)
    }

    /// One inner step of every lane; `before` takes the normalised losses before it.
    fn step(&mut self, lanes: &mut [BoundLane], t: u64, mut before: Option<&mut [Reduced]>) {
        let shared = self.call.shared;
        let cpu = shared.cpu;
        self.task.sample(cpu, Split::Train, self.key, t, &mut self.train);
        let has_valid = shared.optimizer.needs().valid_every.is_some_and(|every| t.is_multiple_of(every));
        if has_valid {
            self.task.sample(cpu, Split::InnerValid, self.key, t, &mut self.valid);
        }
        for (i, lane) in lanes.iter_mut().enumerate() {
            let loss = lane.step(cpu, &mut *self.plan, &self.train, has_valid.then_some(&self.valid));
            if let Some(reduced) = &mut before {
                reduced[i].add(f64::from(self.task.spec().normalizer.apply(loss)));
            }
        }
    }

    /// Measures every lane after inner step `t`: the mean over a measurement's minibatches.
    fn measure(&mut self, lanes: &[BoundLane], t: u64, reduced: &mut [Reduced]) {
        let Self { call, task, key, plan, train, measured, .. } = self;
        let shared = call.shared;
        let batches = shared.meta_loss.batches;
        let split = match shared.meta_loss.source {
            LossSource::Train | LossSource::SameData => None,
            LossSource::FreshTrain => Some(Split::Train),
            LossSource::InnerValid => Some(Split::InnerValid),
            LossSource::OuterValid => Some(Split::OuterValid),
            LossSource::Test => Some(Split::Test),
        };
        let mut sums = [0.0; MAX_LANES];
        for i in 0..batches {
            let batch = match split {
                None => &*train,
                Some(split) => {
                    task.sample(shared.cpu, split, *key, MEASURED + t * batches + i, measured);
                    &*measured
                }
            };
            for (sum, lane) in sums.iter_mut().zip(lanes) {
                *sum += f64::from(match shared.meta_loss.target {
                    Target::Loss => task.spec().normalizer.apply(lane.loss(shared.cpu, &mut **plan, batch)),
                    Target::ErrorRate => lane.error_rate(shared.cpu, &mut **plan, batch),
                });
            }
        }
        for (reduced, sum) in reduced.iter_mut().zip(sums) {
            reduced.add(sum / batches as f64);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reduce(reduce: Reduce, losses: &[f64]) -> f64 {
        let mut reduced = Reduced::new(reduce);
        losses.iter().for_each(|&loss| reduced.add(loss));
        reduced.total()
    }

    #[test]
    fn measurements_are_reduced() {
        let losses = [3.0, 1.0, 2.0];
        assert_eq!(reduce(Reduce::Mean, &losses), 2.0);
        assert_eq!(reduce(Reduce::Min, &losses), 1.0);
        assert_eq!(reduce(Reduce::Last, &losses), 2.0);
        assert!(reduce(Reduce::Min, &[1.0, f64::NAN, 0.5]).is_nan());
        assert!(reduce(Reduce::Mean, &[]).is_nan());
    }
}
