//! Named tensors and their places in a flat array.

use crate::error::{Error, Result};
use std::collections::HashSet;
use std::sync::Arc;

/// Floats per alignment unit: in the padded form of a [`ParamLayout`] every tensor starts at a multiple of it.
pub const ALIGN: usize = 16;

/// Largest total number of elements a layout may have: no memory holds as many, and no sum of lengths overflows. What fits
/// is said by [`crate::memory::MemoryLimit`].
const MAX_ELEMENTS: usize = 1 << 40;

/// Name and shape of one tensor.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct TensorSpec {
    /// Path of the tensor, joined by `/`.
    pub name: String,
    /// Row-major shape; empty for a scalar.
    pub shape: Vec<usize>,
}

impl TensorSpec {
    /// A tensor of the given name and shape.
    pub fn new(name: impl Into<String>, shape: impl Into<Vec<usize>>) -> Self {
        Self { name: name.into(), shape: shape.into() }
    }

    /// Number of elements; 1 for a scalar.
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    /// Whether some axis has length 0.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Where the tensors of a tree lie in one flat `f32` array, in leaf order.
///
/// The *flat* form has no gaps and is what files and JavaScript see. The *padded* form starts every tensor at a
/// multiple of [`ALIGN`] floats and keeps the gaps at zero: it is what lanes and kernels see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ParamLayout {
    specs: Vec<TensorSpec>,
    flat: Vec<usize>,
    padded: Vec<usize>,
    part_of: Option<Arc<Part>>,
}

/// A model that a layout is a part of.
#[derive(Debug, PartialEq, Eq)]
struct Part {
    whole: ParamLayout,
    /// Places of the part's tensors in it.
    indices: Vec<usize>,
}

impl ParamLayout {
    /// Lays out `specs` in the given order.
    /// # Errors
    /// `ShapeMismatch` if there is no tensor, a tensor is empty, a name repeats, or the total is above 2⁴⁰ elements.
    pub fn new(specs: Vec<TensorSpec>) -> Result<Self> {
        if specs.is_empty() {
            return Err(Error::shape("params: expected at least one tensor, got none"));
        }
        let mut names = HashSet::new();
        let (mut flat, mut padded) = (vec![0], vec![0]);
        let (mut at, mut at_padded) = (0usize, 0usize);
        for spec in &specs {
            if !names.insert(spec.name.as_str()) {
                return Err(Error::shape(format!(
                    "params: expected unique names, got `{}` twice",
                    spec.name
                )));
            }
            let len = spec.shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).unwrap_or(usize::MAX);
            if len == 0 {
                return Err(Error::shape(format!(
                    "params: expected every axis of `{}` to be at least 1, got {:?}",
                    spec.name, spec.shape
                )));
            }
            at = at.saturating_add(len);
            if at > MAX_ELEMENTS {
                return Err(Error::shape(format!(
                    "params: expected at most {MAX_ELEMENTS} elements in all, got more"
                )));
            }
            at_padded += len.next_multiple_of(ALIGN);
            flat.push(at);
            padded.push(at_padded);
        }
        Ok(Self { specs, flat, padded, part_of: None })
    }

    /// Only the tensors of the given indices, which increase. The part remembers the whole: see [`ParamLayout::in_whole`].
    /// # Errors
    /// `ShapeMismatch` if there is no index.
    pub fn part(&self, indices: &[usize]) -> Result<Self> {
        let part = Self::new(indices.iter().map(|&i| self.specs[i].clone()).collect())?;
        let (whole, places) = (self.whole(), indices.iter().map(|&i| self.place(i)).collect());
        Ok(Self { part_of: Some(Arc::new(Part { whole: whole.clone(), indices: places })), ..part })
    }

    /// What `of_whole` says of these tensors, where it says one thing a tensor of the whole model: for rules that treat a
    /// tensor by its place in the model.
    pub fn in_whole<T>(&self, of_whole: impl FnOnce(&Self) -> Vec<T>) -> Vec<T> {
        let all = of_whole(self.whole());
        match &self.part_of {
            None => all,
            Some(part) => {
                let is_here = |i: &usize| part.indices.binary_search(i).is_ok();
                all.into_iter().enumerate().filter(|(i, _)| is_here(i)).map(|(_, x)| x).collect()
            }
        }
    }

    fn whole(&self) -> &Self {
        self.part_of.as_ref().map_or(self, |part| &part.whole)
    }

    fn place(&self, i: usize) -> usize {
        self.part_of.as_ref().map_or(i, |part| part.indices[i])
    }

    /// The tensors, in leaf order.
    pub fn specs(&self) -> &[TensorSpec] {
        &self.specs
    }

    /// Number of tensors.
    pub fn num_tensors(&self) -> usize {
        self.specs.len()
    }

    /// Number of elements without gaps.
    pub fn flat_len(&self) -> usize {
        self.flat[self.specs.len()]
    }

    /// Number of floats with gaps; a multiple of [`ALIGN`].
    pub fn padded_len(&self) -> usize {
        self.padded[self.specs.len()]
    }

    /// Range of tensor `index` in the flat form.
    pub fn flat_range(&self, index: usize) -> std::ops::Range<usize> {
        self.flat[index]..self.flat[index + 1]
    }

    /// Range of tensor `index` in the padded form, without its gap.
    pub fn range(&self, index: usize) -> std::ops::Range<usize> {
        let start = self.padded[index];
        start..start + self.specs[index].len()
    }

    /// Range of tensor `index` in the padded form, with its gap.
    pub fn padded_range(&self, index: usize) -> std::ops::Range<usize> {
        self.padded[index]..self.padded[index + 1]
    }

    /// Copies the flat form into the padded form; gaps of `padded` are set to zero.
    /// # Errors
    /// `ShapeMismatch` if a length is not this layout's.
    pub fn pack(&self, flat: &[f32], padded: &mut [f32]) -> Result<()> {
        self.check(flat.len(), padded.len())?;
        padded.fill(0.0);
        for i in 0..self.num_tensors() {
            padded[self.range(i)].copy_from_slice(&flat[self.flat_range(i)]);
        }
        Ok(())
    }

    /// Copies the padded form into the flat form.
    /// # Errors
    /// `ShapeMismatch` if a length is not this layout's.
    pub fn unpack(&self, padded: &[f32], flat: &mut [f32]) -> Result<()> {
        self.check(flat.len(), padded.len())?;
        for i in 0..self.num_tensors() {
            flat[self.flat_range(i)].copy_from_slice(&padded[self.range(i)]);
        }
        Ok(())
    }

    fn check(&self, flat: usize, padded: usize) -> Result<()> {
        if flat != self.flat_len() || padded != self.padded_len() {
            return Err(Error::shape(format!(
                "params: expected {} flat and {} padded floats, got {flat} and {padded}",
                self.flat_len(),
                self.padded_len()
            )));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;

    fn layout() -> ParamLayout {
        ParamLayout::new(vec![
            TensorSpec::new("b", [5]),
            TensorSpec::new("s", []),
            TensorSpec::new("w", [4, 5]),
        ])
        .expect("valid layout")
    }

    #[test]
    fn pack_then_unpack_is_the_identity_and_zeroes_gaps() {
        let layout = layout();
        let flat: Vec<f32> = (1..=26).map(|x| x as f32).collect();
        let mut padded = vec![f32::NAN; layout.padded_len()];
        layout.pack(&flat, &mut padded).expect("lengths fit");
        assert_eq!(padded.len(), 16 + 16 + 32);
        assert_eq!(padded.iter().sum::<f32>(), 26.0 * 27.0 / 2.0);
        let mut back = vec![0.0; 26];
        layout.unpack(&padded, &mut back).expect("lengths fit");
        assert_eq!(back, flat);
    }

    #[test]
    fn bad_layouts_are_refused() {
        let code = |specs| ParamLayout::new(specs).map(|_| ()).map_err(|e| e.code);
        assert_eq!(code(vec![]), Err(ErrorCode::ShapeMismatch));
        assert_eq!(code(vec![TensorSpec::new("a", [0])]), Err(ErrorCode::ShapeMismatch));
        assert_eq!(
            code(vec![TensorSpec::new("a", [1]), TensorSpec::new("a", [1])]),
            Err(ErrorCode::ShapeMismatch)
        );
        assert_eq!(code(vec![TensorSpec::new("a", [usize::MAX, 2])]), Err(ErrorCode::ShapeMismatch));
        assert!(layout().pack(&[0.0], &mut [0.0]).is_err());
    }

    #[test]
    fn a_part_knows_its_place_in_the_whole() {
        let places = |layout: &ParamLayout| layout.in_whole(|whole| (0..whole.num_tensors()).collect());
        let part = layout().part(&[0, 2]).expect("two tensors");
        assert_eq!(part.specs()[1].name, "w");
        assert_eq!((part.flat_len(), part.padded_len()), (25, 48));
        assert_eq!(places(&layout()), [0, 1, 2]);
        assert_eq!(places(&part), [0, 2]);
        assert_eq!(places(&part.part(&[1]).expect("one tensor")), [2]);
        assert!(layout().part(&[]).is_err());
    }
}
