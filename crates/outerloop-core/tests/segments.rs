//! Truncations of several segments, and what is measured along them.
#![allow(clippy::unwrap_used, missing_docs)]

mod golden;
mod tasks;

use outerloop_core::error::{ErrorCode, Result};
use outerloop_core::memory::MemoryLimit;
use outerloop_core::rng::{Key, Purpose};
use outerloop_core::simd::Cpu;
use outerloop_core::unroll::{
    AdvancePlan, Carry, JobControl, LossSource, MetaLoss, ParticlePlan, Reduce, Restart, Segment,
    SegmentResult, Target, Unroller, UnrollerOptions,
};
use outerloop_core::zoo::{OptimizerConfig, build_optimizer};

const OPTIMIZER: &str = r#"{"name":"adafac_mlp","hidden":4,"stepMult":0.01}"#;
const MLP: &str = r#"{"family":"mlp","dataset":"grey","hidden":[7],"batchSize":13}"#;
const QUADRATIC: &str = r#"{"family":"quadratic","dims":4,"matrix":{"kind":"normal","mean":0,"std":1},"start":{"kind":"normal","mean":0,"std":1},"output":"identity","lossScale":1,"noise":null,"instanceSeed":0}"#;

fn options(meta_loss: MetaLoss, num_particles: u32) -> UnrollerOptions {
    UnrollerOptions {
        optimizer: OptimizerConfig::from_json(OPTIMIZER).unwrap(),
        seed: 8,
        num_particles,
        threads: 2,
        carry: Carry::Both,
        meta_loss,
        frozen: vec![],
        max_memory_bytes: MemoryLimit::DEFAULT,
    }
}

fn build(options: &UnrollerOptions) -> Result<Unroller> {
    Unroller::new(options, tasks::datasets(), Cpu::detect().unwrap())
}

fn unroller(meta_loss: MetaLoss, num_particles: u32) -> Unroller {
    build(&options(meta_loss, num_particles)).unwrap()
}

fn theta_of(optimizer: &OptimizerConfig) -> Vec<f32> {
    build_optimizer(optimizer).unwrap().theta_spec().init(Key::new(1, Purpose::ThetaInit))
}

fn theta() -> Vec<f32> {
    theta_of(&OptimizerConfig::from_json(OPTIMIZER).unwrap())
}

fn restart(task: &str, episode: u64) -> Option<Restart> {
    Some(Restart { task: tasks::parse(task), episode, num_steps: 100, instance: None })
}

fn segment(inner_steps: u64, perturbation: Option<u64>, restart: Option<Restart>) -> Segment {
    Segment { inner_steps, perturbation, restart }
}

fn advance(unroller: &mut Unroller, segments: Vec<Segment>) -> Vec<SegmentResult> {
    let plan = AdvancePlan { std: 0.02, particles: vec![ParticlePlan { particle: 0, segments }] };
    unroller.advance(&theta(), &plan, &JobControl::default()).unwrap()
}

/// One truncation cut into segments is the same run: same state to the bit, and the mean of the segments' means is that
/// of the whole (1e-6: the same f32 losses, summed in another order in f64).
#[test]
fn cutting_a_truncation_changes_nothing() {
    let (mut whole, mut cut) = (unroller(MetaLoss::TRAIN, 1), unroller(MetaLoss::TRAIN, 1));
    let one = advance(&mut whole, vec![segment(10, Some(0), restart(MLP, 0))]);
    let parts = [6, 3, 1].iter().enumerate();
    let parts =
        parts.map(|(i, &n)| segment(n, Some(0), (i == 0).then(|| restart(MLP, 0)).flatten())).collect();
    let three = advance(&mut cut, parts);
    assert_eq!(whole.save_state(), cut.save_state());
    let mean = (6.0 * three[0].pos.meta_loss + 3.0 * three[1].pos.meta_loss + three[2].pos.meta_loss) / 10.0;
    assert!((mean - one[0].pos.meta_loss).abs() < 1e-6, "{mean} {one:?}");
}

/// A restart inside a truncation is the restart at its boundary.
#[test]
fn a_restart_inside_a_truncation() {
    let (mut one, mut two) = (unroller(MetaLoss::TRAIN, 1), unroller(MetaLoss::TRAIN, 1));
    let mut first = advance(&mut one, vec![segment(4, Some(0), restart(MLP, 0))]);
    first.extend(advance(&mut one, vec![segment(5, Some(1), restart(QUADRATIC, 1))]));
    let together = vec![segment(4, Some(0), restart(MLP, 0)), segment(5, Some(1), restart(QUADRATIC, 1))];
    assert_eq!(advance(&mut two, together), first);
    assert_eq!(one.save_state(), two.save_state());
}

/// A pair alone: threads without a pair take its lanes over, at its first step. What the lanes draw, measure and end with is
/// the same, also where a lane starts again from another one's state.
#[test]
fn threads_that_share_a_pair_change_nothing() {
    let source = LossSource::InnerValid;
    let meta_loss = MetaLoss { source, every: Some(3), batches: 2, ..MetaLoss::TRAIN };
    for carry in [Carry::Both, Carry::Unperturbed, Carry::Pos] {
        for optimizer in [OPTIMIZER, r#"{"name":"hierarchical","variant":"paper"}"#] {
            let run = |threads: usize| {
                let optimizer = OptimizerConfig::from_json(optimizer).unwrap();
                let theta = theta_of(&optimizer);
                let options = UnrollerOptions { optimizer, threads, carry, ..options(meta_loss, 1) };
                let mut unroller = build(&options).unwrap();
                let control = JobControl::default();
                let segments = vec![
                    segment(7, Some(0), restart(MLP, 0)),
                    segment(5, Some(1), None),
                    segment(6, Some(2), restart(QUADRATIC, 1)),
                ];
                let plan = AdvancePlan { std: 0.02, particles: vec![ParticlePlan { particle: 0, segments }] };
                let results = unroller.advance(&theta, &plan, &control).unwrap();
                (results, unroller.save_state(), control.inner_steps())
            };
            let alone = run(1);
            let lanes = if carry == Carry::Unperturbed { 3 } else { 2 };
            assert_eq!(alone.2, 18 * lanes);
            for threads in [2, 3, 5] {
                assert_eq!(run(threads), alone, "{optimizer} {carry:?} {threads}");
            }
        }
    }
}

/// Without a perturbation both halves are theta itself.
#[test]
fn an_unperturbed_segment_has_equal_halves() {
    let mut unroller = unroller(MetaLoss::TRAIN, 1);
    let results = advance(&mut unroller, vec![segment(5, None, restart(MLP, 0)), segment(5, Some(0), None)]);
    assert_eq!(results[0].pos, results[0].neg);
    assert_ne!(results[1].pos, results[1].neg);
}

/// Particles of one instance have the same problem: without perturbation, the same losses.
#[test]
fn particles_may_share_a_problem() {
    let mut unroller = unroller(MetaLoss::TRAIN, 3);
    let particles = (0..3).map(|particle| {
        let instance = (particle < 2).then_some(7);
        let restart = restart(MLP, 0).map(|restart| Restart { instance, ..restart });
        ParticlePlan { particle, segments: vec![segment(5, None, restart), segment(5, Some(0), None)] }
    });
    let plan = AdvancePlan { std: 0.02, particles: particles.collect() };
    let results = unroller.advance(&theta(), &plan, &JobControl::default()).unwrap();
    assert_eq!(results[0], results[2]);
    assert_ne!(results[1], results[3]);
    assert_ne!(results[0], results[4]);
    // A saved state knows the instance.
    let (description, numbers) = unroller.save_state();
    unroller.load_state(&description, &numbers).unwrap();
    assert_eq!(unroller.save_state(), (description, numbers));
}

fn measured(meta_loss: MetaLoss, steps: u64) -> f64 {
    advance(&mut unroller(meta_loss, 1), vec![segment(steps, None, restart(MLP, 0))])[0].pos.meta_loss
}

/// Every reduction of the losses is that of the single steps', which segments of one step give.
#[test]
fn reductions_are_those_of_single_steps() {
    let single = |source| {
        let meta_loss = MetaLoss { source, ..MetaLoss::TRAIN };
        let segments =
            (0..12).map(|t| segment(1, None, if t == 0 { restart(MLP, 0) } else { None })).collect();
        advance(&mut unroller(meta_loss, 1), segments).iter().map(|r| r.pos.meta_loss).collect::<Vec<_>>()
    };
    for source in [LossSource::Train, LossSource::SameData, LossSource::OuterValid, LossSource::FreshTrain] {
        let losses = single(source);
        let of = |reduce| measured(MetaLoss { source, reduce, ..MetaLoss::TRAIN }, 12);
        assert_eq!(of(Reduce::Min), losses.iter().copied().fold(f64::INFINITY, f64::min), "{source:?}");
        assert_eq!(of(Reduce::Last), losses[11], "{source:?}");
        // The same numbers, added in the same order.
        assert_eq!(of(Reduce::Mean), losses.iter().sum::<f64>() / 12.0, "{source:?}");
        if source != LossSource::Train {
            // Every fourth step, after the update; at the end alone.
            let fourth = MetaLoss { source, every: Some(4), ..MetaLoss::TRAIN };
            assert_eq!(measured(fourth, 12), (losses[3] + losses[7] + losses[11]) / 3.0, "{source:?}");
            let end = MetaLoss { source, every: None, ..MetaLoss::TRAIN };
            assert_eq!(measured(end, 12), losses[11], "{source:?}");
            // A segment that is shorter is measured at its end.
            assert_eq!(measured(MetaLoss { every: Some(40), ..end }, 12), losses[11], "{source:?}");
        }
    }
}

/// The loss after an update on the same minibatch is less than before it, and another than on a fresh one.
#[test]
fn sources_differ() {
    let of = |source| measured(MetaLoss { source, ..MetaLoss::TRAIN }, 1);
    let all =
        [LossSource::Train, LossSource::SameData, LossSource::FreshTrain, LossSource::InnerValid].map(of);
    for (i, a) in all.iter().enumerate() {
        assert!(all[i + 1..].iter().all(|b| a != b), "{all:?}");
    }
}

/// A share of 13 answers; tasks without answers are refused before anything runs.
#[test]
fn error_rates_are_shares_of_the_minibatch() {
    let target = Target::ErrorRate;
    let meta_loss =
        MetaLoss { source: LossSource::OuterValid, target, reduce: Reduce::Last, ..MetaLoss::TRAIN };
    let rate = measured(meta_loss, 3) * 13.0;
    assert!((0.0..=13.0).contains(&rate) && (rate - rate.round()).abs() < 1e-5, "{rate}");
    let plan =
        AdvancePlan { std: 0.1, particles: vec![ParticlePlan::simple(0, 1, 0, restart(QUADRATIC, 0))] };
    let refused = unroller(meta_loss, 1).advance(&theta(), &plan, &JobControl::default());
    assert_eq!(refused.unwrap_err().code, ErrorCode::InvalidOption);
}

#[test]
fn unknown_frozen_leaves_are_refused() {
    let options = UnrollerOptions { frozen: vec!["nn/nowhere".into()], ..options(MetaLoss::TRAIN, 1) };
    assert_eq!(build(&options).err().unwrap().code, ErrorCode::InvalidOption);
}
