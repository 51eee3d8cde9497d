//! Writing and reading the inner problems of an unroller.

use super::LaneStatus;
use super::lane::Lane;
use super::particle::Particle;
use super::plan::Restart;
use super::shared::Shared;
use crate::error::{Error, ErrorCode, Result};
use crate::optim::empty_state;
use crate::simd::AlignedVec;
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SavedParticle {
    problem: Restart,
    inner_step: u64,
    lanes: Vec<SavedLane>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct SavedLane {
    iteration: u64,
    is_diverged: bool,
}

/// The description, and every lane's parameters and state one after the other.
pub(super) fn write(particles: &[Option<Particle>]) -> (String, Vec<f32>) {
    let mut numbers = vec![];
    let mut saved = vec![];
    for particle in particles {
        saved.push(particle.as_ref().map(|p| {
            SavedParticle {
                problem: p.problem.clone(),
                inner_step: p.inner_step,
                lanes: p
                    .lanes
                    .iter()
                    .map(|lane| {
                        numbers.extend_from_slice(&lane.params);
                        numbers.extend_from_slice(&lane.state.data);
                        SavedLane { iteration: lane.state.iteration, is_diverged: lane.status.is_diverged() }
                    })
                    .collect(),
            }
        }));
    }
    // Plain data with string keys: serialisation cannot fail.
    (serde_json::to_string(&saved).unwrap_or_default(), numbers)
}

/// The inverse of [`write`].
pub(super) fn read(
    shared: &Shared,
    num_particles: usize,
    num_lanes: usize,
    description: &str,
    numbers: &[f32],
) -> Result<Vec<Option<Particle>>> {
    let invalid = |what: String| Error::checkpoint(format!("inner problems: {what}"));
    let saved: Vec<Option<SavedParticle>> = serde_json::from_str(description)
        .map_err(|e| invalid(format!("unreadable description: {e}")).caused_by(e))?;
    if saved.len() != num_particles {
        return Err(invalid(format!("expected {num_particles} particles, got {}", saved.len())));
    }
    let mut rest = numbers;
    let mut take = |len: usize| -> Result<AlignedVec> {
        let (head, tail) = rest
            .split_at_checked(len)
            .ok_or_else(|| invalid(format!("expected {len} more numbers, got {}", rest.len())))?;
        rest = tail;
        let mut out = AlignedVec::zeros(len);
        out.copy_from_slice(head);
        Ok(out)
    };
    let mut particles = vec![];
    let mut held = 0u64;
    for (i, saved) in saved.into_iter().enumerate() {
        let Some(saved) = saved else {
            particles.push(None);
            continue;
        };
        if saved.lanes.len() != num_lanes {
            return Err(invalid(format!(
                "expected {num_lanes} lanes for particle {i}, got {}",
                saved.lanes.len()
            )));
        }
        let bytes = shared.bytes(&saved.problem.task).map_err(|e| invalid(e.message))?;
        held = held.saturating_add(bytes.task + num_lanes as u64 * bytes.lane);
        shared.memory.check(ErrorCode::CheckpointInvalid, "inner problems", held)?;
        let mut particle = Particle::new(saved.problem, shared).map_err(|e| invalid(e.message))?;
        particle.inner_step = saved.inner_step;
        let layout = &particle.task.spec().params;
        for lane in saved.lanes {
            let params = take(layout.padded_len())?;
            let mut state = empty_state(&*shared.optimizer, layout, particle.problem.num_steps);
            state.data = take(state.data.len())?;
            state.iteration = lane.iteration;
            let status = if lane.is_diverged { LaneStatus::Diverged } else { LaneStatus::Ok };
            particle.lanes.push(Lane { params, state, status });
        }
        particles.push(Some(particle));
    }
    if !rest.is_empty() {
        return Err(invalid(format!("expected no further numbers, got {}", rest.len())));
    }
    Ok(particles)
}
