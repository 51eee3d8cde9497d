//! Narrow matrices are worked on as their transposes, if those fill registers.
//!
//! A last layer has a row of ten classes for every hidden unit: ten elements are no whole registers, but the units are.
//! The elementwise state of such a matrix is kept in that order, parameters and gradients are transposed in every step.
//! Rows and columns keep their meaning, because the longer axis stays the longer one.

use crate::layer::transpose;
use crate::simd::{AlignedVec, Cpu, LANES};
use crate::tensor::SHARED;

/// The shape in which a tensor of shape `shape` is worked on. Large ones stay as they are: threads share their rows.
pub(in crate::lopt) fn worked_shape(shape: &[usize]) -> Vec<usize> {
    match *shape {
        [rows, cols]
            if !cols.is_multiple_of(LANES)
                && rows.is_multiple_of(LANES)
                && rows > 0
                && rows * cols < SHARED =>
        {
            vec![cols, rows]
        }
        _ => shape.to_vec(),
    }
}

/// The shape of an elementwise array of the state: its number of elements, or two axes where it is transposed.
pub(in crate::lopt) fn state_shape(shape: &[usize]) -> Vec<usize> {
    let worked = worked_shape(shape);
    if worked == shape { vec![shape.iter().product()] } else { worked }
}

/// Scratch for one transposed tensor.
#[derive(Debug, Default)]
pub(in crate::lopt) struct Transposed {
    pub(in crate::lopt) params: AlignedVec,
    pub(in crate::lopt) grads: AlignedVec,
    pub(in crate::lopt) directions: AlignedVec,
}

impl Transposed {
    /// Room for matrices of the given shapes.
    pub(in crate::lopt) fn new(shapes: impl Iterator<Item = [usize; 2]>) -> Self {
        let len = shapes.map(|[rows, cols]| rows * cols).max().unwrap_or(0);
        let zeros = || AlignedVec::zeros(len);
        Self { params: zeros(), grads: zeros(), directions: zeros() }
    }

    /// Takes parameters and gradients of shape `[rows, cols]`.
    pub(in crate::lopt) fn take(&mut self, cpu: Cpu, shape: [usize; 2], params: &[f32], grads: &[f32]) {
        transpose_to(cpu, shape, params, &mut self.params);
        transpose_to(cpu, shape, grads, &mut self.grads);
    }
}

/// `to[j, i] = from[i, j]` for `from: [rows, cols]`.
pub(in crate::lopt) fn transpose_to(cpu: Cpu, [rows, cols]: [usize; 2], from: &[f32], to: &mut [f32]) {
    cpu.run(transpose(from, cols, [rows, cols], to, rows));
}
