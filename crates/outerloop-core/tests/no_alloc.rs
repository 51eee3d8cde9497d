//! Inner steps allocate nothing: a truncation of 60 steps makes as many allocations as one of 10.
//!
//! One test in its own binary, because the counter sees the whole process.
#![allow(clippy::unwrap_used, missing_docs)]

mod golden;
mod tasks;
mod zoo;

use outerloop_core::memory::MemoryLimit;
use outerloop_core::rng::{Key, Purpose};
use outerloop_core::simd::Cpu;
use outerloop_core::unroll::{
    AdvancePlan, Carry, CurveJob, JobControl, LossSource, MetaLoss, ParticlePlan, Restart, Unroller,
    UnrollerOptions, run_curves, thread_pool,
};
use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicU64, Ordering};

struct Counting;

static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

// SAFETY: every call is passed on to the system's allocator unchanged.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc(layout) }
    }
    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.alloc_zeroed(layout) }
    }
    unsafe fn realloc(&self, p: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        ALLOCATIONS.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise.
        unsafe { System.realloc(p, layout, size) }
    }
    unsafe fn dealloc(&self, p: *mut u8, layout: Layout) {
        // SAFETY: the caller's promise.
        unsafe { System.dealloc(p, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const TASKS: [&str; 4] = [
    r#"{"family":"mlp","dataset":"grey","hidden":[32],"labelNoise":0.1}"#,
    r#"{"family":"mlp","dataset":"grey","hidden":[32],"paramScale":[3,0.2,1,5]}"#,
    r#"{"family":"quadratic","dims":20,"matrix":{"kind":"normal","mean":0,"std":0.3},"start":{"kind":"normal","mean":0,"std":1},"output":"log","lossScale":1,"noise":{"kind":"uniform","min":-0.1,"max":0.1},"instanceSeed":1}"#,
    r#"{"family":"quadratic","dims":9,"matrix":{"kind":"normal","mean":0,"std":0.3},"start":{"kind":"normal","mean":0,"std":1},"output":"identity","lossScale":1,"noise":{"kind":"logspace_eigen","min":0.01,"max":0.1},"instanceSeed":1}"#,
];

fn first_theta(optimizer: &str) -> Vec<f32> {
    let config = serde_json::from_str(optimizer).unwrap();
    let built = outerloop_core::zoo::build_optimizer(&config).unwrap();
    built.theta_spec().init(Key::new(1, Purpose::ThetaInit))
}

fn advance(task: &str, optimizer: &str, meta_loss: MetaLoss, steps: u64) -> u64 {
    let options = UnrollerOptions {
        optimizer: serde_json::from_str(optimizer).unwrap(),
        seed: 1,
        num_particles: 2,
        threads: 1,
        carry: Carry::Both,
        meta_loss,
        frozen: vec![],
        max_memory_bytes: MemoryLimit::DEFAULT,
    };
    let mut unroller = Unroller::new(&options, tasks::datasets(), Cpu::detect().unwrap()).unwrap();
    let theta = first_theta(optimizer);
    let mut plan = |particle_restart: bool, perturbation| {
        let restart = || {
            particle_restart.then(|| Restart {
                task: tasks::parse(task),
                episode: 0,
                num_steps: 1000,
                instance: None,
            })
        };
        let particles =
            (0..2).map(|particle| ParticlePlan::simple(particle, steps, perturbation, restart())).collect();
        let plan = AdvancePlan { std: 0.01, particles };
        let before = ALLOCATIONS.load(Ordering::Relaxed);
        let results = unroller.advance(&theta, &plan, &JobControl::default()).unwrap();
        let allocations = ALLOCATIONS.load(Ordering::Relaxed) - before;
        let is_diverged = results.iter().any(|r| r.pos.status.is_diverged() || r.neg.status.is_diverged());
        // VeLO with random weights may leave a quadratic: a lane that stands still allocates nothing either.
        assert!(!is_diverged || optimizer.contains("velo"), "{task} {optimizer}");
        allocations
    };
    plan(true, 0);
    plan(false, 1)
}

/// A curve of `steps` steps with evaluations at its ends only.
fn curve(task: &str, optimizer: &str, steps: u64) -> u64 {
    let config: outerloop_core::zoo::OptimizerConfig = serde_json::from_str(optimizer).unwrap();
    let theta = first_theta(optimizer);
    let job = CurveJob {
        task: tasks::parse(task),
        optimizer: config,
        theta: Some(0),
        seed: 0,
        replica: 0,
        inner_steps: steps,
        eval_every: 1 << 20,
        eval_batches: 2,
        splits: vec![outerloop_core::data::Split::Train],
    };
    let (pool, sets, cpu) = (thread_pool(1).unwrap(), tasks::datasets(), Cpu::detect().unwrap());
    let before = ALLOCATIONS.load(Ordering::Relaxed);
    run_curves(&[job], &[theta.into()], &sets, &pool, cpu, MemoryLimit::DEFAULT, &JobControl::default())
        .unwrap();
    ALLOCATIONS.load(Ordering::Relaxed) - before
}

/// The pool's queues may grow at any time, by a few blocks: so some are allowed where 50 steps would make 50, or 25 every second one.
#[test]
fn inner_steps_allocate_nothing() {
    const QUEUES: u64 = 20;
    let outer_valid = MetaLoss { source: LossSource::OuterValid, every: Some(5), ..MetaLoss::TRAIN };
    for task in TASKS {
        for &(optimizer, _) in zoo::OPTIMIZERS {
            for meta_loss in [MetaLoss::TRAIN, outer_valid] {
                let [short, long] = [10, 60].map(|steps| advance(task, optimizer, meta_loss, steps));
                println!("{optimizer} {meta_loss:?}: {short} allocations in 10 steps, {long} in 60");
                assert!(long <= short + QUEUES, "{task} {optimizer} {meta_loss:?}: {short} and {long}");
            }
            let [short, long] = [10, 60].map(|steps| curve(task, optimizer, steps));
            assert!(long <= short + QUEUES, "curve of {task} {optimizer}: {short} and {long}");
        }
    }
}
