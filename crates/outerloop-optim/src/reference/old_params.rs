//! Memory of the parameters a hundred steps ago (the hierarchical optimizer's paper variant).

use super::tensor::Tensor;
use crate::params::TensorSpec;

/// How many steps ago the remembered parameters were.
pub const AGE: usize = 100;

/// How the old parameters are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OldParamsMode {
    /// Two copies, refreshed every hundred steps: the age runs through 100 … 199.
    Snapshot,
    /// A ring of a hundred copies: the age is always 100.
    Exact,
}

/// The parameters of about a hundred steps ago; before step 100 the initial ones.
#[derive(Clone, Debug)]
pub struct OldParams {
    mode: OldParamsMode,
    // Snapshot: [tensor][older, newer], each of the parameter's shape. Exact: [tensor][ring], AGE copies in one.
    copies: Vec<Vec<Tensor>>,
}

impl OldParams {
    /// An empty memory; the first step fills it with the parameters it sees.
    pub fn new(mode: OldParamsMode, specs: &[TensorSpec]) -> Self {
        let copies = specs
            .iter()
            .map(|s| match mode {
                OldParamsMode::Snapshot => ["older", "newer"]
                    .map(|item| Tensor::filled(format!("old_params|{item}|{}", s.name), s.shape.clone(), 0.0))
                    .to_vec(),
                OldParamsMode::Exact => {
                    let shape = [&[AGE], &s.shape[..]].concat();
                    vec![Tensor::filled(format!("old_params|ring|{}", s.name), shape, 0.0)]
                }
            })
            .collect();
        Self { mode, copies }
    }

    /// The old parameters for step `iteration`, whose parameters before the update are `params`.
    pub fn advance(&mut self, iteration: usize, params: &[Tensor]) -> Vec<Vec<f64>> {
        let of = |copies: &mut Vec<Tensor>, p: &Tensor| match self.mode {
            OldParamsMode::Snapshot => {
                if iteration == 0 {
                    copies[1].data.clone_from(&p.data);
                }
                if iteration.is_multiple_of(AGE) {
                    copies[0].data = std::mem::replace(&mut copies[1].data, p.data.clone());
                }
                copies[0].data.clone()
            }
            OldParamsMode::Exact => {
                if iteration == 0 {
                    copies[0].data = p.data.repeat(AGE);
                }
                // Place t mod 100 holds the parameters of step t − 100; after they are read it is free for step t's.
                let slot = &mut copies[0].data[iteration % AGE * p.data.len()..][..p.data.len()];
                let old = slot.to_vec();
                slot.copy_from_slice(&p.data);
                old
            }
        };
        self.copies.iter_mut().zip(params).map(|(c, p)| of(c, p)).collect()
    }

    /// The state.
    pub fn state(&self) -> Vec<&Tensor> {
        self.copies.iter().flatten().collect()
    }

    /// The state, to be overwritten.
    pub fn state_mut(&mut self) -> Vec<&mut Tensor> {
        self.copies.iter_mut().flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The parameter is its step number, so that the memory's answer is a step number too.
    fn remembered(mode: OldParamsMode, steps: usize) -> Vec<f64> {
        let mut old = OldParams::new(mode, &[TensorSpec::new("p", [])]);
        (0..steps).map(|t| old.advance(t, &[Tensor::scalar("p", t as f64)])[0][0]).collect()
    }

    #[test]
    fn ages_are_as_documented() {
        for (t, &old) in remembered(OldParamsMode::Exact, 350).iter().enumerate() {
            assert_eq!(old, t.saturating_sub(100) as f64);
        }
        for (t, &old) in remembered(OldParamsMode::Snapshot, 350).iter().enumerate() {
            assert_eq!(old, (t / 100 * 100).saturating_sub(100) as f64);
        }
    }
}
