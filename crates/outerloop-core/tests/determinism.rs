//! The unroller's promises: the same bits on any backend, with any number of threads and after a resume; an abort
//! changes nothing; divergence is data.
#![allow(clippy::unwrap_used, missing_docs)]

mod golden;
mod tasks;
mod zoo;

use outerloop_core::error::ErrorCode;
use outerloop_core::memory::MemoryLimit;
use outerloop_core::rng::{Key, Purpose};
use outerloop_core::simd::{Backend, Cpu};
use outerloop_core::unroll::{
    AdvancePlan, Carry, JobControl, LaneStatus, LossSource, MetaLoss, ParticlePlan, Restart, SegmentResult,
    Unroller, UnrollerOptions,
};
use outerloop_core::zoo::{OptimizerConfig, build_optimizer};
use std::time::{Duration, Instant};
use zoo::OPTIMIZERS;

/// Odd widths, and widths that fill registers as rows and as columns.
const TASKS: [&str; 4] = [
    r#"{"family":"mlp","dataset":"grey","hidden":[33,9],"batchSize":20,"activation":"tanh","labelNoise":0.2}"#,
    r#"{"family":"mlp","dataset":"table","hidden":[5],"batchSize":7,"activation":"swish"}"#,
    r#"{"family":"mlp","dataset":"grey","hidden":[16,32],"batchSize":10}"#,
    r#"{"family":"quadratic","dims":21,"matrix":{"kind":"normal","mean":0,"std":0.2},"start":{"kind":"normal","mean":0,"std":1},"output":"log","lossScale":0.1,"noise":{"kind":"uniform","min":-0.1,"max":0.1},"instanceSeed":1}"#,
];
const NUM_PARTICLES: u32 = TASKS.len() as u32;
/// Its gradients grow with its weights, so that it can diverge.
const UNBOUNDED: &str = r#"{"family":"mlp","dataset":"grey","hidden":[33,9],"batchSize":20}"#;

struct Setup {
    optimizer: &'static str,
    carry: Carry,
    meta_loss: MetaLoss,
    seed: u64,
    threads: usize,
    cpu: Cpu,
}

impl Setup {
    fn of(optimizer: &'static str) -> Self {
        let cpu = Cpu::detect().unwrap();
        Self { optimizer, carry: Carry::Both, meta_loss: MetaLoss::TRAIN, seed: 5, threads: 2, cpu }
    }

    fn build(&self, num_particles: u32) -> Unroller {
        let options = UnrollerOptions {
            optimizer: OptimizerConfig::from_json(self.optimizer).unwrap(),
            seed: self.seed,
            num_particles,
            threads: self.threads,
            carry: self.carry,
            meta_loss: self.meta_loss,
            frozen: vec![],
            max_memory_bytes: MemoryLimit::DEFAULT,
        };
        Unroller::new(&options, tasks::datasets(), self.cpu).unwrap()
    }

    fn theta(&self) -> Vec<f32> {
        let optimizer = build_optimizer(&OptimizerConfig::from_json(self.optimizer).unwrap()).unwrap();
        optimizer.theta_spec().init(Key::new(1, Purpose::ThetaInit))
    }

    fn advance(&self, unroller: &mut Unroller, plan: &AdvancePlan) -> Vec<SegmentResult> {
        unroller.advance(&self.theta(), plan, &JobControl::default()).unwrap()
    }
}

/// Truncation number `index` of a particle for every task, each on a task of its own; the first one starts them.
fn plan(index: u64, steps: u64, std: f64) -> AdvancePlan {
    let particles = (0..NUM_PARTICLES).map(|particle| {
        let restart = || Restart {
            task: tasks::parse(TASKS[particle as usize]),
            episode: 4,
            num_steps: 1000,
            instance: None,
        };
        ParticlePlan::simple(particle, steps, index, (index == 0).then(restart))
    });
    AdvancePlan { std, particles: particles.collect() }
}

type Bits = (Vec<(u64, u64)>, String, Vec<u32>);

/// Results and saved state as bits: NaN equals itself, 0 differs from −0.
fn bits(results: &[SegmentResult], unroller: &Unroller) -> Bits {
    let (description, numbers) = unroller.save_state();
    let losses = results.iter().map(|r| (r.pos.meta_loss.to_bits(), r.neg.meta_loss.to_bits())).collect();
    (losses, description, numbers.iter().map(|x| x.to_bits()).collect())
}

/// Two truncations.
fn run(setup: &Setup) -> Bits {
    let mut unroller = setup.build(NUM_PARTICLES);
    let mut results = vec![];
    for index in 0..2 {
        results.extend(setup.advance(&mut unroller, &plan(index, 6, 0.02)));
    }
    assert!(results.iter().all(|r| r.pos.meta_loss.is_finite() && r.pos.status == LaneStatus::Ok));
    bits(&results, &unroller)
}

#[test]
fn bits_are_those_of_every_machine() {
    let mut changed = vec![];
    for &(optimizer, expected) in OPTIMIZERS {
        let (losses, _, numbers) = run(&Setup::of(optimizer));
        let losses = losses.into_iter().flat_map(|(pos, neg)| [pos, neg]);
        let words = losses.chain(numbers.into_iter().map(u64::from));
        let hash =
            words.fold(0xcbf2_9ce4_8422_2325, |hash: u64, word| (hash ^ word).wrapping_mul(0x0100_0000_01b3));
        if hash != expected {
            changed.push(format!("{optimizer}: now {hash:#018x}"));
        }
    }
    assert!(changed.is_empty(), "{changed:#?}");
}

#[test]
fn backends_threads_and_repetitions_give_the_same_bits() {
    for &(optimizer, _) in OPTIMIZERS {
        for carry in [Carry::Both, Carry::Unperturbed] {
            let setup = Setup { carry, ..Setup::of(optimizer) };
            let expected = run(&setup);
            for backend in Backend::ALL.into_iter().filter(|b| b.is_available()) {
                let cpu = Cpu::new(backend).unwrap();
                assert!(
                    run(&Setup { cpu, carry, ..Setup::of(optimizer) }) == expected,
                    "{optimizer} {backend:?}"
                );
            }
            // Fewer threads than particles, and more than lanes.
            for threads in [1, 3, 16] {
                assert!(
                    run(&Setup { threads, carry, ..Setup::of(optimizer) }) == expected,
                    "{optimizer} {threads}"
                );
            }
            // The negative control: what should matter does.
            let other = run(&Setup { seed: 6, carry, ..Setup::of(optimizer) });
            assert!(
                other.0 != expected.0 && other.2 != expected.2,
                "{optimizer}: another seed, the same bits"
            );
        }
    }
}

#[test]
fn a_loaded_state_continues_with_the_same_bits() {
    for &(optimizer, _) in OPTIMIZERS {
        for carry in [Carry::Both, Carry::Unperturbed] {
            let source = LossSource::OuterValid;
            let meta_loss = MetaLoss { source, every: Some(4), batches: 2, ..MetaLoss::TRAIN };
            let setup = Setup { carry, meta_loss, ..Setup::of(optimizer) };
            let mut whole = setup.build(NUM_PARTICLES);
            setup.advance(&mut whole, &plan(0, 11, 0.02));
            let (description, numbers) = whole.save_state();
            let mut resumed = setup.build(NUM_PARTICLES);
            resumed.load_state(&description, &numbers).unwrap();
            let [a, b] = [&mut whole, &mut resumed].map(|u| {
                let results = setup.advance(u, &plan(1, 11, 0.02));
                bits(&results, u)
            });
            assert!(a == b, "{optimizer} {carry:?}");
        }
    }
}

#[test]
fn states_that_do_not_fit_are_refused_and_change_nothing() {
    let setup = Setup::of(OPTIMIZERS[4].0);
    let mut unroller = setup.build(NUM_PARTICLES);
    setup.advance(&mut unroller, &plan(0, 3, 0.02));
    let (description, numbers) = unroller.save_state();
    let refuse = |unroller: &mut Unroller, description: &str, numbers: &[f32]| {
        let code = unroller.load_state(description, numbers).map_err(|e| e.code);
        assert_eq!(code, Err(ErrorCode::CheckpointInvalid), "{description}");
    };
    refuse(&mut unroller, &description, &numbers[1..]);
    refuse(&mut unroller, &description, &[&numbers[..], &[0.0]].concat());
    refuse(&mut unroller, "[]", &numbers);
    refuse(&mut unroller, "{", &numbers);
    refuse(&mut unroller, &description.replace("innerStep", "step"), &numbers);
    refuse(&mut unroller, &description.replace("\"mlp\"", "\"conv\""), &numbers);
    refuse(&mut unroller, &description.replace("\"grey\"", "\"unknown\""), &numbers);
    refuse(&mut unroller, &description.replace("\"batchSize\":20", "\"batchSize\":0"), &numbers);
    let other = Setup { carry: Carry::Pos, ..Setup::of(OPTIMIZERS[4].0) };
    let mut one_lane = other.build(NUM_PARTICLES);
    other.advance(&mut one_lane, &plan(0, 3, 0.02));
    let (fewer_lanes, fewer_numbers) = one_lane.save_state();
    refuse(&mut unroller, &fewer_lanes, &fewer_numbers);
    assert_eq!(unroller.save_state(), (description, numbers));
}

#[test]
fn an_abort_changes_nothing() {
    let setup = Setup::of(OPTIMIZERS[6].0);
    let mut unroller = setup.build(NUM_PARTICLES);
    setup.advance(&mut unroller, &plan(0, 5, 0.02));
    let before = bits(&[], &unroller);
    let theta = setup.theta();
    // Before the start.
    let control = JobControl::default();
    control.cancel();
    assert_eq!(unroller.advance(&theta, &plan(1, 5, 0.02), &control).unwrap_err().code, ErrorCode::Aborted);
    assert_eq!(control.inner_steps(), 0);
    assert!(bits(&[], &unroller) == before);
    // Half way, from another thread: 100 ms is the promise to the user, and leaves room for a busy machine.
    let control = JobControl::default();
    let (error, late) = std::thread::scope(|scope| {
        let canceller = scope.spawn(|| {
            while control.inner_steps() < 50 {
                std::thread::sleep(Duration::from_millis(1));
            }
            control.cancel();
            Instant::now()
        });
        let error = unroller.advance(&theta, &plan(1, 1 << 30, 0.02), &control).unwrap_err();
        (error, canceller.join().unwrap().elapsed())
    });
    assert_eq!(error.code, ErrorCode::Aborted);
    assert!(late < Duration::from_millis(100), "{late:?}");
    assert!(bits(&[], &unroller) == before);
    setup.advance(&mut unroller, &plan(1, 5, 0.02));
}

#[test]
fn plans_out_of_range_are_refused_and_change_nothing() {
    let setup = Setup::of(OPTIMIZERS[0].0);
    let mut unroller = setup.build(NUM_PARTICLES);
    let refuse = |unroller: &mut Unroller, plan: &AdvancePlan, theta: &[f32], code| {
        let before = unroller.save_state();
        assert_eq!(unroller.advance(theta, plan, &JobControl::default()).unwrap_err().code, code, "{plan:?}");
        assert_eq!(unroller.save_state(), before);
    };
    let option = ErrorCode::InvalidOption;
    // No problem yet, for all and for one of them.
    refuse(&mut unroller, &plan(1, 5, 0.02), &[], option);
    let mut mixed = plan(0, 5, 0.02);
    mixed.particles[2].segments[0].restart = None;
    refuse(&mut unroller, &mixed, &[], option);
    for (steps, std) in [(0, 0.02), (5, 0.0), (5, -1.0), (5, f64::NAN), (5, f64::INFINITY)] {
        refuse(&mut unroller, &plan(0, steps, std), &[], option);
    }
    let mut twice = plan(0, 5, 0.02);
    twice.particles[1].particle = 0;
    refuse(&mut unroller, &twice, &[], option);
    twice.particles[1].particle = 3;
    refuse(&mut unroller, &twice, &[], option);
    let mut idle = plan(0, 5, 0.02);
    idle.particles[1].segments.clear();
    refuse(&mut unroller, &idle, &[], option);
    refuse(&mut unroller, &plan(0, 5, 0.02), &[1.0], ErrorCode::ShapeMismatch);
}

/// 1.5·ln 10: what a diverged step of the first task counts as.
#[test]
fn a_diverged_lane_is_data() {
    let worst = f64::from((1.5 * 10f64.ln()) as f32);
    for optimizer in [
        r#"{"name":"sgd","lr":1e30}"#,
        r#"{"name":"adafac_mlp","stepMult":1e30}"#,
        r#"{"name":"hierarchical","variant":"paper","stepMult":1e30}"#,
        r#"{"name":"hierarchical","variant":"library","stepMult":1e30}"#,
    ] {
        let setup = Setup::of(optimizer);
        let mut unroller = setup.build(1);
        let mut one = plan(0, 50, 0.02);
        let problem = Restart { task: tasks::parse(UNBOUNDED), episode: 0, num_steps: 1000, instance: None };
        one.particles = vec![ParticlePlan::simple(0, 50, 0, Some(problem))];
        let first = setup.advance(&mut unroller, &one)[0];
        one.particles = vec![ParticlePlan::simple(0, 50, 1, None)];
        let second = setup.advance(&mut unroller, &one)[0];
        for lane in [first.pos, first.neg, second.pos, second.neg] {
            assert_eq!(lane.status, LaneStatus::Diverged, "{optimizer}");
            assert!(lane.meta_loss.is_finite() && lane.meta_loss <= worst, "{optimizer}: {lane:?}");
        }
        // It stays where it was, and every step counts as the worst: a mean of 50 equal terms, exact to f64 rounding.
        assert!((second.pos.meta_loss - worst).abs() < 1e-12, "{optimizer}: {second:?}");
        // A restart cures it, whatever became of it.
        let mut again = plan(0, 1, 0.02);
        again.particles.truncate(1);
        assert_eq!(setup.advance(&mut unroller, &again)[0].pos.status, LaneStatus::Ok, "{optimizer}");
    }
}

/// Without theta both halves are one run: same initial parameters, minibatches and noise.
#[test]
fn halves_of_a_pair_share_everything_but_theta() {
    for &(optimizer, _) in &OPTIMIZERS[..4] {
        let setup = Setup::of(optimizer);
        let mut unroller = setup.build(NUM_PARTICLES);
        for result in setup.advance(&mut unroller, &plan(0, 15, 0.5)) {
            assert_eq!(result.pos.meta_loss.to_bits(), result.neg.meta_loss.to_bits());
        }
    }
    let setup = Setup::of(OPTIMIZERS[4].0);
    for result in setup.advance(&mut setup.build(NUM_PARTICLES), &plan(0, 15, 0.02)) {
        assert_ne!(result.pos.meta_loss.to_bits(), result.neg.meta_loss.to_bits());
    }
}

/// The lane kept is that of theta itself: whatever the perturbations were, it has the same bits. As std goes to zero the
/// positive half's tends to it: 1e-5 after one step. (Not after more: the hierarchical optimizer reads the sign of an
/// output bias's mean momentum, which is 0 but for rounding.)
#[test]
fn carries_keep_what_they_say() {
    let learned = OPTIMIZERS.iter().filter(|(optimizer, _)| !Setup::of(optimizer).theta().is_empty());
    for &(optimizer, _) in learned {
        let kept = |carry, steps, std| {
            let setup = Setup { carry, ..Setup::of(optimizer) };
            let mut unroller = setup.build(NUM_PARTICLES);
            for index in 0..if steps == 1 { 1 } else { 2 } {
                setup.advance(&mut unroller, &plan(index, steps, std));
            }
            unroller.save_state()
        };
        let unperturbed = kept(Carry::Unperturbed, 12, 0.02);
        assert_eq!(unperturbed, kept(Carry::Unperturbed, 12, 0.3), "{optimizer}");
        let (pos, alone) = (kept(Carry::Pos, 1, 1e-9), kept(Carry::Unperturbed, 1, 1e-9));
        assert_eq!(pos.0, alone.0);
        for (a, b) in pos.1.iter().zip(&alone.1) {
            assert!((a - b).abs() <= 1e-5 * b.abs().max(1.0), "{optimizer}: {a} {b}");
        }
        // Of both halves the positive one comes first: up to the first truncation's end that is what `Pos` keeps.
        let (both, pos) = (kept(Carry::Both, 1, 0.3), kept(Carry::Pos, 1, 0.3));
        assert_eq!(both.1.len(), 2 * pos.1.len());
        let first = pos.1.len().min(1000);
        assert_eq!(both.1[..first], pos.1[..first], "{optimizer}");
        assert_ne!(pos.1, alone.1, "{optimizer}");
    }
}

/// Truncations are slices of one unroll: 24 steps in one piece or in four, as theta is the same throughout.
#[test]
fn truncations_join_without_a_seam() {
    for &(optimizer, _) in OPTIMIZERS {
        let setup = Setup { carry: Carry::Unperturbed, ..Setup::of(optimizer) };
        let (mut whole, mut pieces) = (setup.build(NUM_PARTICLES), setup.build(NUM_PARTICLES));
        setup.advance(&mut whole, &plan(0, 24, 0.02));
        for index in 0..4 {
            setup.advance(&mut pieces, &plan(index, 6, 0.02));
        }
        assert_eq!(whole.save_state(), pieces.save_state(), "{optimizer}");
    }
}
