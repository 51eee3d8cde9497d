//! Named arrays, and how they become flat theta.

use crate::error::{Error, Result};
use crate::optim::ThetaSpec;
use crate::params::TensorSpec;
use std::borrow::Cow;
use std::collections::HashMap;

/// Names that a message lists before it says how many more there are.
const MAX_LISTED: usize = 8;

/// One named array of a weight file.
#[derive(Clone, Debug, PartialEq)]
pub struct Leaf<'a> {
    /// Name, as in [`ThetaSpec`], and shape.
    pub spec: TensorSpec,
    /// Row-major values, as many as the shape says.
    pub data: Cow<'a, [f32]>,
}

impl Leaf<'_> {
    /// Refuses numbers that no step can be made with.
    /// # Errors
    /// `CheckpointInvalid` naming leaf and index.
    pub(super) fn check_finite(&self) -> Result<()> {
        match self.data.iter().position(|x| !x.is_finite()) {
            None => Ok(()),
            Some(i) => Err(Error::checkpoint(format!(
                "weights: expected finite numbers in leaf `{}`, got {} at {i}",
                self.spec.name, self.data[i]
            ))),
        }
    }
}

/// Refuses a name that comes twice.
/// # Errors
/// `CheckpointInvalid` naming it.
pub(super) fn by_name<'l, 'a>(leaves: &'l [Leaf<'a>]) -> Result<HashMap<&'l str, &'l Leaf<'a>>> {
    let mut out = HashMap::new();
    for leaf in leaves {
        if out.insert(&leaf.spec.name[..], leaf).is_some() {
            return Err(Error::checkpoint(format!("weights: leaf `{}` is there twice", leaf.spec.name)));
        }
    }
    Ok(out)
}

/// Flat theta of the leaves of a file, which must be exactly those of `spec`, in any order.
/// # Errors
/// `CheckpointInvalid` listing the leaves that are missing, unexpected or of another shape, or naming one that is not
/// finite.
pub fn flat_theta(leaves: &[Leaf<'_>], spec: &ThetaSpec) -> Result<Vec<f32>> {
    let mut rest = by_name(leaves)?;
    let (mut missing, mut misshapen, mut found) = (vec![], vec![], vec![]);
    for (expected, _) in &spec.leaves {
        match rest.remove(&expected.name[..]) {
            None => missing.push(format!("`{}` {:?}", expected.name, expected.shape)),
            Some(leaf) if leaf.spec.shape != expected.shape || leaf.data.len() != expected.len() => misshapen
                .push(format!("`{}` {:?}, expected {:?}", expected.name, leaf.spec.shape, expected.shape)),
            Some(leaf) => found.push(leaf),
        }
    }
    let mut extra: Vec<_> =
        rest.values().map(|leaf| format!("`{}` {:?}", leaf.spec.name, leaf.spec.shape)).collect();
    extra.sort();
    let problems: Vec<_> = [("missing", missing), ("unexpected", extra), ("of another shape", misshapen)]
        .into_iter()
        .filter(|(_, names)| !names.is_empty())
        .map(|(what, names)| format!("{what}: {}", list(&names)))
        .collect();
    if !problems.is_empty() {
        let text = format!(
            "weights: expected the {} leaves of the optimizer, got {}",
            spec.leaves.len(),
            leaves.len()
        );
        return Err(Error::checkpoint(format!("{text}; {}", problems.join("; "))));
    }
    let mut theta = Vec::with_capacity(spec.len());
    for leaf in found {
        leaf.check_finite()?;
        theta.extend_from_slice(&leaf.data);
    }
    Ok(theta)
}

fn list(names: &[String]) -> String {
    let listed = names[..names.len().min(MAX_LISTED)].join(", ");
    match names.len() - names.len().min(MAX_LISTED) {
        0 => listed,
        more => format!("{listed} and {more} more"),
    }
}

/// The leaves of flat `theta`, in its order.
/// # Errors
/// `ShapeMismatch` if theta is not of `spec`'s length.
pub fn leaves_of<'a>(theta: &'a [f32], spec: &ThetaSpec) -> Result<Vec<Leaf<'a>>> {
    spec.check(theta)?;
    let mut rest = theta;
    Ok(spec
        .leaves
        .iter()
        .map(|(leaf, _)| {
            let (data, tail) = rest.split_at(leaf.len());
            rest = tail;
            Leaf { spec: leaf.clone(), data: Cow::Borrowed(data) }
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorCode;
    use crate::optim::LeafInit;

    fn spec() -> ThetaSpec {
        let leaf = |name, shape: &[usize]| (TensorSpec::new(name, shape), LeafInit::Zero);
        ThetaSpec { leaves: vec![leaf("a/b", &[2]), leaf("c", &[]), leaf("w", &[2, 3])] }
    }

    #[test]
    fn leaves_in_any_order_give_the_same_theta() {
        let theta: Vec<f32> = (0..9).map(|i| i as f32).collect();
        let mut leaves = leaves_of(&theta, &spec()).expect("fits");
        leaves.reverse();
        assert_eq!(flat_theta(&leaves, &spec()).expect("complete"), theta);
    }

    #[test]
    fn what_does_not_fit_is_named() {
        let theta = [0.0; 9];
        let leaves = leaves_of(&theta, &spec()).expect("fits");
        let message = |leaves: &[Leaf<'_>]| {
            let error = flat_theta(leaves, &spec()).expect_err("must be refused");
            assert_eq!(error.code, ErrorCode::CheckpointInvalid);
            error.message
        };
        assert!(message(&leaves[1..]).contains("missing: `a/b` [2]"));
        let mut other = leaves.clone();
        other[2].spec.shape = vec![3, 2];
        assert!(message(&other).contains("of another shape: `w` [3, 2], expected [2, 3]"));
        other[2].spec.name = "v".into();
        assert!(message(&other).contains("missing: `w` [2, 3]; unexpected: `v` [3, 2]"));
        let mut twice = leaves.clone();
        twice.push(leaves[0].clone());
        assert!(message(&twice).contains("`a/b` is there twice"));
        let mut short = leaves.clone();
        short[2].data = Cow::Owned(vec![0.0; 5]);
        assert!(message(&short).contains("`w`"));
        for bad in [f32::NAN, f32::INFINITY] {
            let mut spoiled = leaves.clone();
            spoiled[0].data = Cow::Owned(vec![0.0, bad]);
            assert!(message(&spoiled).contains("leaf `a/b`"));
        }
    }
}
