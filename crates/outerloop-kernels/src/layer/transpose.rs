//! Transposition by 8×8 blocks.

use crate::simd::{Kernel, Simd};

/// Rows and columns of a block.
const BLOCK: usize = 8;

/// `to[j, i] = from[i, j]` for `rows × cols` elements, rows `from_row` and `to_row` apart. Data movement only.
/// # Panics
/// If a slice is too short for its shape: a bug of the caller.
pub fn transpose<'a>(
    from: &'a [f32],
    from_row: usize,
    [rows, cols]: [usize; 2],
    to: &'a mut [f32],
    to_row: usize,
) -> impl Kernel<Output = ()> {
    assert!(rows > 0 && cols > 0);
    assert!((rows - 1) * from_row + cols <= from.len() && (cols - 1) * to_row + rows <= to.len());
    Transpose { from, from_row, rows, cols, to, to_row }
}

struct Transpose<'a> {
    from: &'a [f32],
    from_row: usize,
    rows: usize,
    cols: usize,
    to: &'a mut [f32],
    to_row: usize,
}

impl Kernel for Transpose<'_> {
    type Output = ();

    #[inline(always)]
    fn run<S: Simd>(self, s: S) {
        let Self { from, from_row, rows, cols, to, to_row } = self;
        if rows < BLOCK || cols < BLOCK {
            for i in 0..rows {
                for j in 0..cols {
                    to[j * to_row + i] = from[i * from_row + j];
                }
            }
            return;
        }
        // At an edge that is not a multiple of a block the last two blocks overlap.
        for i in (0..rows).step_by(BLOCK) {
            let i = i.min(rows - BLOCK);
            for j in (0..cols).step_by(BLOCK) {
                let j = j.min(cols - BLOCK);
                // SAFETY: `transpose` checked that all rows and columns are inside the slices.
                unsafe {
                    let (block, out) =
                        (from.as_ptr().add(i * from_row + j), to.as_mut_ptr().add(j * to_row + i));
                    s.transpose_8(block, from_row, out, to_row);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simd::{Backend, Cpu};

    #[test]
    fn every_element_moves() {
        for cpu in Backend::ALL.into_iter().filter_map(|b| Cpu::new(b).ok()) {
            for (rows, cols) in [(19, 37), (8, 16), (10, 32), (1, 3), (7, 8), (16, 1)] {
                let from: Vec<f32> = (0..rows * 40).map(|i| i as f32).collect();
                let mut to = vec![-1.0; cols * 32];
                cpu.run(transpose(&from, 40, [rows, cols], &mut to, 32));
                for i in 0..32 {
                    for j in 0..cols {
                        let want = if i < rows { from[i * 40 + j] } else { -1.0 };
                        assert_eq!(to[j * 32 + i], want, "{rows}x{cols} at {i},{j}");
                    }
                }
            }
        }
    }
}
