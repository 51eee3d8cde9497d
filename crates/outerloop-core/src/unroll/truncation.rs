//! One truncation under way: all lanes of a particle step together and share the minibatches.

use super::JobControl;
use super::lane::BoundLane;
use super::particle::Shared;
use super::plan::MetaLoss;
use crate::data::Split;
use crate::error::Result;
use crate::rng::Key;
use crate::task::{Batch, Plan, Task};

/// Scratch and sums of a truncation.
struct Truncation<'a> {
    shared: &'a Shared,
    task: &'a dyn Task,
    key: Key,
    lanes: &'a mut [BoundLane],
    plan: Box<dyn Plan>,
    train: Batch,
    valid: Batch,
    outer: Batch,
    /// Sum of every lane's normalised losses, and how many there are.
    sums: Vec<f64>,
    count: u64,
}

/// Runs the inner steps `inner_steps` of `lanes` on the problem named by `key`; returns each lane's meta-loss.
pub(super) fn run(
    shared: &Shared,
    task: &dyn Task,
    key: Key,
    lanes: &mut [BoundLane],
    inner_steps: std::ops::Range<u64>,
    control: &JobControl,
) -> Result<Vec<f64>> {
    let (train, valid, outer) = (Batch::default(), Batch::default(), Batch::default());
    let (sums, plan) = (vec![0.0; lanes.len()], task.plan());
    let mut truncation = Truncation { shared, task, key, lanes, plan, train, valid, outer, sums, count: 0 };
    for t in inner_steps.clone() {
        control.check()?;
        if let MetaLoss::OuterValid { every, batches } = shared.meta_loss
            && t.is_multiple_of(every)
        {
            truncation.measure(t, batches);
        }
        truncation.step(t);
        control.add(truncation.lanes.len() as u64);
    }
    if let (0, MetaLoss::OuterValid { batches, .. }) = (truncation.count, shared.meta_loss) {
        // No evaluation fell into this truncation: its last parameters stand for it.
        truncation.measure(inner_steps.end, batches);
    }
    let count = truncation.count as f64;
    Ok(truncation.sums.into_iter().map(|sum| sum / count).collect())
}

impl Truncation<'_> {
    /// One inner step of every lane.
    fn step(&mut self, t: u64) {
        let cpu = self.shared.cpu;
        self.task.sample(cpu, Split::Train, self.key, t, &mut self.train);
        let has_valid =
            self.shared.optimizer.needs().valid_every.is_some_and(|every| t.is_multiple_of(every));
        if has_valid {
            self.task.sample(cpu, Split::InnerValid, self.key, t, &mut self.valid);
        }
        let is_measured = matches!(self.shared.meta_loss, MetaLoss::Train {});
        for (sum, lane) in self.sums.iter_mut().zip(self.lanes.iter_mut()) {
            let loss = lane.step(cpu, &mut *self.plan, &self.train, has_valid.then_some(&self.valid));
            if is_measured {
                *sum += f64::from(self.task.spec().normalizer.apply(loss));
            }
        }
        self.count += u64::from(is_measured);
    }

    /// Adds the losses of `batches` outer-validation minibatches at the current parameters.
    fn measure(&mut self, t: u64, batches: u64) {
        let cpu = self.shared.cpu;
        for i in 0..batches {
            self.task.sample(cpu, Split::OuterValid, self.key, t * batches + i, &mut self.outer);
            for (sum, lane) in self.sums.iter_mut().zip(self.lanes.iter()) {
                let loss = lane.loss(cpu, &mut *self.plan, &self.outer);
                *sum += f64::from(self.task.spec().normalizer.apply(loss));
            }
        }
        self.count += batches;
    }
}
