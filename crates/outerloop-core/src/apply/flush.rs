//! The last step of gradients that were gathered, when no more of them come.

use super::applied::{Applied, Report, check};
use crate::error::Result;
use crate::optim::{Losses, Scale, Step, Tensors};
use crate::simd::{AlignedVec, FlushDenormals, Workers};

impl Applied {
    /// A step with the gradients that an optimizer with accumulated gradients has gathered and not used yet: their mean, as if
    /// the last call had been the last of its window. Others have gathered nothing, and nothing changes.
    /// # Errors
    /// `ShapeMismatch` if a tensor has another length.
    pub fn flush(&mut self, params: &mut [&mut [f32]], scale: Scale<'_>) -> Result<Report> {
        check(&self.layout, "params", params.iter().map(|p| p.len()))?;
        let _flush = FlushDenormals::on();
        let workers = match &self.pool {
            Some(pool) => Workers::of(self.cpu, pool),
            None => Workers::one(self.cpu),
        };
        let mut zeros = AlignedVec::zeros(self.layout.padded_len());
        let targets: Vec<_> = params.iter_mut().map(|p| (p.as_mut_ptr(), p.len())).collect();
        // SAFETY: the caller lent the parameters for this call.
        let places = unsafe { self.params.places(&targets) };
        // SAFETY: nobody else uses the parameters during the step, and slices of one caller do not meet.
        let params_at = unsafe { Tensors::separate(places) };
        let step = Step {
            workers,
            state: self.state.view(),
            params: params_at,
            grads: Tensors::joint(&mut zeros),
            losses: Losses { train: 0.0, valid: None },
            scale,
        };
        let is_applied = match &self.pool {
            Some(pool) => pool.install(|| {
                let _flush = FlushDenormals::on();
                self.update.flush(step)
            }),
            None => self.update.flush(step),
        };
        if is_applied {
            self.params.write_back(params);
        }
        Ok(Report { is_applied, num_zeroed: 0, num_held: 0 })
    }
}
