//! A minibatch out of a data set of bytes.

use crate::layer::Grid;
use crate::simd::{Kernel, Simd};

/// Examples that are turned together.
const GROUP: usize = 8;
/// Features of a group that are turned together.
const PIECE: usize = 64;

/// The rows of `bytes: [examples, features]` that `indices` name, scaled, as examples of `out`.
pub(super) struct GatherBytes<'a> {
    pub(super) bytes: &'a [u8],
    pub(super) indices: &'a [u32],
    pub(super) scale: f32,
    pub(super) shift: f32,
    /// How `out` is arranged.
    pub(super) grid: Grid,
    pub(super) out: &'a mut [f32],
}

impl Kernel for GatherBytes<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(mut self, s: S) {
        let Self { bytes, indices, scale, shift, grid, .. } = self;
        assert!(indices.len() == grid.batch && self.out.len() >= grid.len());
        if grid.is_by_example() {
            for b in 0..grid.batch {
                let from = &bytes[indices[b] as usize * grid.features..][..grid.features];
                convert(from, scale, shift, &mut self.out[b * grid.row()..][..grid.features]);
            }
            return;
        }
        let mut piece = [0f32; GROUP * PIECE];
        for b in (0..grid.batch).step_by(GROUP) {
            for f in (0..grid.features).step_by(PIECE) {
                self.turn(s, b, f, &mut piece);
            }
        }
    }
}

impl GatherBytes<'_> {
    /// Up to [`GROUP`] examples from `b` and up to [`PIECE`] of their features from `f`, as columns.
    #[inline(always)]
    fn turn<S: Simd>(&mut self, s: S, b: usize, f: usize, piece: &mut [f32; GROUP * PIECE]) {
        let Self { bytes, indices, scale, shift, grid, ref mut out } = *self;
        let (examples, features) = ((grid.batch - b).min(GROUP), (grid.features - f).min(PIECE));
        for i in 0..examples {
            let from = &bytes[indices[b + i] as usize * grid.features + f..][..features];
            convert(from, scale, shift, &mut piece[i * PIECE..][..features]);
        }
        let whole = if examples == GROUP { features / GROUP * GROUP } else { 0 };
        for i in (0..whole).step_by(GROUP) {
            // SAFETY: eight rows of the piece; eight columns of `out` below `batch`, in as many rows below `features`.
            unsafe {
                let to = out.as_mut_ptr().add((f + i) * grid.row() + b);
                s.transpose_8(piece.as_ptr().add(i), PIECE, to, grid.row());
            }
        }
        for j in whole..features {
            for i in 0..examples {
                out[(f + j) * grid.row() + b + i] = piece[i * PIECE + j];
            }
        }
    }
}

/// The compiler widens bytes well, and multiplies and adds as it is told.
#[inline(always)]
fn convert(from: &[u8], scale: f32, shift: f32, to: &mut [f32]) {
    for i in 0..to.len() {
        to[i] = f32::from(from[i]) * scale + shift;
    }
}
