//! Transposition by 16×16 blocks.

use crate::simd::LANES;

/// `to[j, i] = from[i, j]` for `rows × cols` elements, rows `from_row` and `to_row` apart. Data movement only.
/// # Panics
/// If a slice is too short for its shape: a bug of the caller.
pub fn transpose(from: &[f32], from_row: usize, rows: usize, cols: usize, to: &mut [f32], to_row: usize) {
    for i0 in (0..rows).step_by(LANES) {
        for j0 in (0..cols).step_by(LANES) {
            let (height, width) = ((rows - i0).min(LANES), (cols - j0).min(LANES));
            let mut block = [[0f32; LANES]; LANES];
            for (i, row) in block.iter_mut().enumerate().take(height) {
                row[..width].copy_from_slice(&from[(i0 + i) * from_row + j0..][..width]);
            }
            for j in 0..width {
                let out = &mut to[(j0 + j) * to_row + i0..][..height];
                for (i, x) in out.iter_mut().enumerate() {
                    *x = block[i][j];
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_element_moves() {
        let (rows, cols) = (19, 37);
        let from: Vec<f32> = (0..rows * 40).map(|i| i as f32).collect();
        let mut to = vec![-1.0; cols * 32];
        transpose(&from, 40, rows, cols, &mut to, 32);
        for i in 0..rows {
            for j in 0..cols {
                assert_eq!(to[j * 32 + i], from[i * 40 + j]);
            }
        }
    }
}
