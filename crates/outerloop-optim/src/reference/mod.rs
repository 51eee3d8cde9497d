//! Slow, obvious double-precision twins of the fast code, for tests and benchmarks only.
//!
//! Every file is one algorithm written as the formulas are, with plain loops over `Vec<f64>`: no arenas, no folding,
//! no vectors. Nothing outside tests and benches may call this module; it is always compiled so that benches,
//! integration tests and other crates' tests can reach it. It depends on `error` and `params` alone, so that a
//! mistake in the fast code cannot leak into its judge.
//!
//! A fast f32 run and a free-running f64 run drift apart, which says nothing about either. The comparison that does
//! is *re-synchronised*: before every step copy the fast parameters and state into the twin ([`set_state`]), let both
//! take the step from the same gradient, and compare one step's rounding.

pub mod accumulators;
pub mod adabelief;
pub mod adafac_mlp;
pub mod adafac_nominal;
pub mod adafactor;
pub mod adagrad;
pub mod adam;
pub mod adam8p;
pub mod adamw;
pub mod celo2;
pub mod celo_adam;
pub mod constants;
pub mod elementwise;
pub mod fromage;
pub mod gradient_clipper;
pub mod hierarchical;
pub mod hyper_lstm;
pub mod lamb;
pub mod lars;
pub mod learnable;
pub mod lion;
pub mod loss_buffer;
pub mod loss_normaliser;
pub mod mlp;
pub mod mlp_lopt;
pub mod muon;
pub mod nadamw;
pub mod newton_schulz;
pub mod nn_adam;
pub mod old_params;
pub mod param_rnn;
pub mod perturbation;
pub mod primitives;
pub mod quadratic;
pub mod radam;
pub mod rms_mlp;
pub mod rmsprop;
pub mod sgd;
pub mod shampoo;
pub mod sm3;
mod tensor;
mod theta;
pub mod velo;
pub mod yogi;

pub use constants::Constants;
pub use tensor::Tensor;

use crate::error::{Error, Result};

/// An optimizer of named tensors, with all of its state visible under names.
///
/// State tensors are named `group|parameter` (`mom_rolling|m|conv/w`) or `group|item` (`dynamic_clip|value`), as in
/// the published library's tree. A decay axis is always the last axis. Counters that no formula reads are left out.
pub trait ReferenceOptimizer {
    /// One update in place. `valid_loss` is a validation loss measured at `params`; it is fed before the update and
    /// ignored by optimizers that have no use for it.
    /// # Shapes
    /// `params` and `grads` hold the tensors given at construction, in that order.
    fn step(&mut self, params: &mut [Tensor], grads: &[Tensor], loss: f64, valid_loss: Option<f64>);

    /// Everything the next step depends on, besides parameters and theta.
    fn state(&self) -> Vec<&Tensor>;

    /// The same tensors in the same order, to be overwritten.
    fn state_mut(&mut self) -> Vec<&mut Tensor>;
}

/// Overwrites the whole state of `optimizer`, matching tensors by name; tensors it does not have are ignored.
/// # Errors
/// `ShapeMismatch` if a state tensor is missing from `state` or has another number of elements.
pub fn set_state(optimizer: &mut dyn ReferenceOptimizer, state: &[Tensor]) -> Result<()> {
    for slot in optimizer.state_mut() {
        let from = state.iter().find(|t| t.name == slot.name);
        match from {
            Some(t) if t.data.len() == slot.data.len() => slot.data.clone_from(&t.data),
            _ => {
                return Err(Error::shape(format!(
                    "set_state: expected `{}` with {} elements, got {:?}",
                    slot.name,
                    slot.data.len(),
                    from.map(|t| t.data.len())
                )));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;
    use crate::params::TensorSpec;

    #[test]
    fn a_copied_state_continues_the_run() {
        let specs = [TensorSpec::new("w", [2])];
        let mut params = [Tensor::new("w", [2], vec![1.0, -2.0])];
        let grad = [Tensor::new("w", [2], vec![0.3, 0.7])];
        let mut first = adam::Adam::new(adam::AdamConfig::default(), &specs, Constants::Exact);
        first.step(&mut params, &grad, 0.0, None);
        let state: Vec<Tensor> = first.state().into_iter().cloned().collect();
        let mut second = adam::Adam::new(adam::AdamConfig::default(), &specs, Constants::Exact);
        set_state(&mut second, &state).expect("same optimizer");
        let mut copy = params.clone();
        first.step(&mut params, &grad, 0.0, None);
        second.step(&mut copy, &grad, 0.0, None);
        assert_eq!(params, copy);
        let missing = set_state(&mut second, &state[1..]).map_err(|e| e.code);
        assert_eq!(missing, Err(ErrorCode::ShapeMismatch));
    }
}
