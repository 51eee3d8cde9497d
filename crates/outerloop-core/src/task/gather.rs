//! A minibatch out of a data set of bytes.

use crate::layer::{Grid, transpose};
use crate::simd::{Kernel, Simd};

/// Examples that are transposed together.
const GROUP: usize = 8;
/// Features of a group that are transposed together.
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
                self.transpose(s, b, f, &mut piece);
            }
        }
    }
}

impl GatherBytes<'_> {
    /// Up to [`GROUP`] examples from `b` and up to [`PIECE`] of their features from `f`, as columns.
    #[inline(always)]
    fn transpose<S: Simd>(&mut self, s: S, b: usize, f: usize, piece: &mut [f32; GROUP * PIECE]) {
        let Self { bytes, indices, scale, shift, grid, ref mut out } = *self;
        let (examples, features) = ((grid.batch - b).min(GROUP), (grid.features - f).min(PIECE));
        for i in 0..examples {
            let from = &bytes[indices[b + i] as usize * grid.features + f..][..features];
            convert(from, scale, shift, &mut piece[i * PIECE..][..features]);
        }
        let to = &mut out[f * grid.row() + b..];
        transpose(piece, PIECE, [examples, features], to, grid.row()).run(s);
    }
}

/// The compiler widens bytes well, and multiplies and adds as it is told.
#[inline(always)]
fn convert(from: &[u8], scale: f32, shift: f32, to: &mut [f32]) {
    for i in 0..to.len() {
        to[i] = f32::from(from[i]) * scale + shift;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::Order;
    use crate::simd::{Backend, Cpu};

    #[test]
    fn both_orders_have_every_number_in_its_place() {
        for (features, batch) in [(64, 16), (75, 13), (9, 1), (130, 8)] {
            let bytes: Vec<u8> = (0..20 * features).map(|i| (i * 37 % 251) as u8).collect();
            let indices: Vec<u32> = (0..batch as u32).map(|b| b * 7 % 20).collect();
            for cpu in Backend::ALL.into_iter().filter_map(|b| Cpu::new(b).ok()) {
                for order in [Order::ByExample, Order::ByFeature] {
                    let grid = Grid { features, batch, order };
                    let mut out = vec![0.0; grid.len()];
                    let (scale, shift) = (0.5, -1.0);
                    let (bytes, indices) = (&bytes, &indices);
                    cpu.run(GatherBytes { bytes, indices, scale, shift, grid, out: &mut out });
                    let [example, feature] = grid.strides();
                    for b in 0..batch {
                        for f in 0..features {
                            let byte = bytes[indices[b] as usize * features + f];
                            assert_eq!(out[b * example + f * feature], f32::from(byte) * 0.5 - 1.0);
                        }
                    }
                }
            }
        }
    }
}
