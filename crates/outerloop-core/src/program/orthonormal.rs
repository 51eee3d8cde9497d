//! Orthonormal columns.

/// Makes columns of `rows` numbers, at most `rows` of them, the Q of the QR decomposition with R's diagonal positive:
/// Gram–Schmidt, each column orthogonalised twice.
pub(crate) fn orthonormalize(columns: &mut [f64], rows: usize) {
    for j in 0..columns.len() / rows {
        let (done, rest) = columns.split_at_mut(j * rows);
        let column = &mut rest[..rows];
        for _ in 0..2 {
            for q in done.chunks_exact(rows) {
                let dot: f64 = q.iter().zip(column.iter()).map(|(x, y)| x * y).sum();
                column.iter_mut().zip(q).for_each(|(x, y)| *x -= dot * y);
            }
        }
        let norm = column.iter().map(|x| x * x).sum::<f64>().sqrt().max(f64::MIN_POSITIVE);
        column.iter_mut().for_each(|x| *x /= norm);
    }
}
