//! Running first and second moments of a gradient, whole and factored.

use super::constants::Decay;
use super::primitives::{mean, safe_rsqrt};
use super::tensor::Tensor;
use crate::params::TensorSpec;

/// m ← β·m + (1 − β)·x for every element of `x` and every decay. No bias correction.
/// # Shapes
/// `acc: [num_params, decays]`, `x: [num_params]`.
pub fn accumulate(acc: &mut [f64], decays: &[Decay], x: impl Iterator<Item = f64>) {
    for (row, x) in acc.chunks_exact_mut(decays.len()).zip(x) {
        for (a, decay) in row.iter_mut().zip(decays) {
            decay.update(a, x);
        }
    }
}

/// The two axes of a factored second moment: `(largest, second)`, ordered by (size, index) ascending, so that of
/// equal axes the later one counts as larger. `None` below rank 2.
pub fn factored_axes(shape: &[usize]) -> Option<(usize, usize)> {
    let mut axes: Vec<usize> = (0..shape.len()).collect();
    axes.sort_by_key(|&axis| (shape[axis], axis));
    match axes[..] {
        [.., second, largest] => Some((largest, second)),
        _ => None,
    }
}

/// Second moment of one tensor, Adafactor style (Shazeer, Stern 2018, arXiv:1804.04235), for several decays at once.
///
/// Of rank 2 and more only the means over the largest axis (`row`) and over the second largest (`col`) are kept;
/// below rank 2 the whole (`diag`). Kept are running means of G² = g² + 1e-30.
#[derive(Clone, Debug)]
pub struct FactoredMoment {
    shape: Vec<usize>,
    /// Means over the largest axis: the shape without it, then the decays. Empty below rank 2.
    pub row: Tensor,
    /// Means over the second largest axis: the shape without it, then the decays. Empty below rank 2.
    pub col: Tensor,
    /// The whole: the shape, then the decays. Empty from rank 2 on.
    pub diag: Tensor,
}

/// What the rest of an optimizer sees of a [`FactoredMoment`], element by element.
/// # Shapes
/// All `[num_params][decays]`.
pub struct FactoredView {
    /// Row mean of the element, or the whole second moment below rank 2.
    pub row: Vec<Vec<f64>>,
    /// Column mean of the element, or the whole second moment below rank 2.
    pub col: Vec<Vec<f64>>,
    /// R·C, by which a gradient is preconditioned: 1/√ of the reconstructed second moment.
    pub scale: Vec<Vec<f64>>,
}

impl FactoredMoment {
    /// All zero, under the published library's names: `group|v_row|parameter` and so on.
    pub fn new(group: &str, spec: &TensorSpec, num_decays: usize) -> Self {
        let tensor = |part: &str, shape: Option<Vec<usize>>| {
            let shape = shape.map_or(vec![0], |s| [s, vec![num_decays]].concat());
            Tensor::filled(format!("{group}|{part}|{}", spec.name), shape, 0.0)
        };
        let axes = factored_axes(&spec.shape);
        Self {
            shape: spec.shape.clone(),
            row: tensor("v_row", axes.map(|(largest, _)| without(&spec.shape, largest))),
            col: tensor("v_col", axes.map(|(_, second)| without(&spec.shape, second))),
            diag: tensor("v_diag", axes.is_none().then(|| spec.shape.clone())),
        }
    }

    /// Feeds a gradient and returns the view of the *new* moments.
    pub fn update(&mut self, g: &[f64], decays: &[Decay]) -> FactoredView {
        let squares: Vec<f64> = g.iter().map(|g| g * g + 1e-30).collect();
        let Some((largest, second)) = factored_axes(&self.shape) else {
            accumulate(&mut self.diag.data, decays, squares.into_iter());
            let q: Vec<Vec<f64>> = self.diag.data.chunks_exact(decays.len()).map(<[f64]>::to_vec).collect();
            let scale = q.iter().map(|q| q.iter().map(|q| safe_rsqrt(q + 1e-9)).collect()).collect();
            return FactoredView { row: q.clone(), col: q, scale };
        };
        let (row_of, col_of) = (project(&self.shape, largest), project(&self.shape, second));
        accumulate(&mut self.row.data, decays, means(&squares, &row_of).into_iter());
        accumulate(&mut self.col.data, decays, means(&squares, &col_of).into_iter());

        // R = safe_rsqrt(r / (mean of r over the axis that `col` lost + 1e-9)), C = safe_rsqrt(c).
        let lost = if second > largest { second - 1 } else { second };
        let group_of = project(&without(&self.shape, largest), lost);
        let mut view = FactoredView { row: vec![], col: vec![], scale: vec![] };
        let channel = |data: &[f64], k: usize| -> Vec<f64> {
            data.iter().skip(k).step_by(decays.len()).copied().collect()
        };
        let row_means: Vec<Vec<f64>> =
            (0..decays.len()).map(|k| means(&channel(&self.row.data, k), &group_of)).collect();
        for i in 0..g.len() {
            let row = &self.row.data[row_of[i] * decays.len()..][..decays.len()];
            let col = &self.col.data[col_of[i] * decays.len()..][..decays.len()];
            let scale = (0..decays.len())
                .map(|k| safe_rsqrt(row[k] / (row_means[k][group_of[row_of[i]]] + 1e-9)) * safe_rsqrt(col[k]))
                .collect();
            view.row.push(row.to_vec());
            view.col.push(col.to_vec());
            view.scale.push(scale);
        }
        view
    }
}

/// `shape` without one axis.
pub(super) fn without(shape: &[usize], axis: usize) -> Vec<usize> {
    shape.iter().enumerate().filter(|&(k, _)| k != axis).map(|(_, &d)| d).collect()
}

/// For every element of `shape`, the place it falls on when `axis` is dropped.
pub(super) fn project(shape: &[usize], axis: usize) -> Vec<usize> {
    let inner: usize = shape[axis + 1..].iter().product();
    (0..shape.iter().product()).map(|i| i / (inner * shape[axis]) * inner + i % inner).collect()
}

/// Means of the elements that fall on the same place.
pub(super) fn means(x: &[f64], place_of: &[usize]) -> Vec<f64> {
    let num_places = place_of.iter().max().map_or(0, |m| m + 1);
    let mut groups = vec![vec![]; num_places];
    for (&x, &place) in x.iter().zip(place_of) {
        groups[place].push(x);
    }
    groups.iter().map(|g| mean(g)).collect()
}

#[cfg(test)]
mod tests {
    use super::super::constants::Constants;
    use super::*;

    #[test]
    fn axes_follow_size_then_index() {
        assert_eq!(factored_axes(&[]), None);
        assert_eq!(factored_axes(&[7]), None);
        assert_eq!(factored_axes(&[5, 5]), Some((1, 0)));
        assert_eq!(factored_axes(&[6, 2]), Some((0, 1)));
        assert_eq!(factored_axes(&[3, 3, 2, 3]), Some((3, 1)));
        assert_eq!(factored_axes(&[2, 3, 4]), Some((2, 1)));
    }

    /// A rank-one matrix of squares is reconstructed: with g_ij = a_i·b_j, R·C = 1/|g| up to the 1e-9 floor
    /// (1e-9 of row means near 1) and up to the one update's 1 − β = 1.
    #[test]
    fn outer_products_are_reconstructed() {
        let (a, b) = ([1.0, -2.0, 0.5], [3.0, 1.5]);
        let g: Vec<f64> = a.iter().flat_map(|a| b.iter().map(move |b| a * b)).collect();
        let mut moment = FactoredMoment::new("fac", &TensorSpec::new("w", [3, 2]), 1);
        let view = moment.update(&g, &[Decay::array(0.0, Constants::Exact)]);
        for (g, scale) in g.iter().zip(&view.scale) {
            assert!((g.abs() * scale[0] - 1.0).abs() < 1e-8, "{g} {scale:?}");
        }
    }
}
