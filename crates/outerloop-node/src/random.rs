//! The keyed generator, for drawing tasks in TypeScript.

use crate::error::{Result, error, guard};
use napi::bindgen_prelude::Uint32Array;
use napi_derive::napi;
use outerloop_core::error::ErrorCode;
use outerloop_core::rng::{Key, Purpose};

/// Words `4 * block .. 4 * block + count` of the stream named by (seed, purpose, path).
#[napi]
pub fn random_words(seed: f64, purpose: u32, path: Vec<f64>, block: f64, count: u32) -> Result<Uint32Array> {
    guard(|| {
        let purpose = match purpose {
            4 => Purpose::TaskSample,
            6 => Purpose::Evaluation,
            got => {
                let message = format!("randomWords: expected purpose 4 (tasks) or 6 (evaluation), got {got}");
                return Err(error(ErrorCode::InvalidOption, message));
            }
        };
        let key = path.iter().fold(Key::new(seed as u64, purpose), |key, &i| key.fold(i as u64));
        let mut words = vec![];
        let mut at = block as u64;
        while words.len() < count as usize {
            words.extend(key.block(at));
            at += 1;
        }
        words.truncate(count as usize);
        Ok(Uint32Array::new(words))
    })
}
