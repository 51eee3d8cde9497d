//! `theta.state`: theta as flax's `to_bytes` writes it, a msgpack map nested like theta.
//!
//! An array is extension 1 (a NumPy scalar: 3) with the payload [shape, dtype, bytes]; lists and tuples are maps with
//! the keys "0", "1", …; an LSTM's state is {"hidden", "cell"}, in old files {"name", "fields", "values"}; arrays above
//! 2³⁰ bytes come in chunks. Formats: google/flax, flax/serialization.py, 18f8f31; theta itself (amoudgl/celo, 66d9761),
//! {"params": theta, …} and {"0": theta, …} (google/learned_optimization, 32186aa). Difference: only f32 is read, and a
//! file must hold nothing but theta. Written are the shortest headers, which gives the published files byte for byte.

use super::flax_tree::{Array, Node, num_bytes};
use super::leaf::{Leaf, by_name};
use crate::error::{Error, Result};
use crate::params::TensorSpec;
use rmp::encode as msgpack;
use std::borrow::Cow;

/// Key of a chunked array.
const CHUNKED: &str = "__msgpack_chunked_array__";
/// Arrays above this many bytes would have to be chunked.
const MAX_BYTES: usize = 1 << 30;

/// Reads the leaves of a `theta.state`, in the file's order. Names are keys joined by `/`.
/// # Errors
/// `CheckpointInvalid` naming the byte or the leaf.
pub fn read_flax(bytes: &[u8]) -> Result<Vec<Leaf<'static>>> {
    let file = Node::read(bytes)?;
    let mut leaves = vec![];
    collect(theta_of(&file)?, "", &mut leaves)?;
    if leaves.is_empty() {
        return Err(Error::checkpoint("weights: expected leaves, got none"));
    }
    by_name(&leaves)?;
    Ok(leaves)
}

/// The part of a file that is theta.
fn theta_of<'n, 'a>(file: &'n Node<'a>) -> Result<&'n Node<'a>> {
    let Some(pairs) = file.pairs() else {
        return Err(Error::checkpoint(format!("weights: expected a map, got {}", file.kind())));
    };
    if file.get("gradient_learner_state").is_some() {
        return Err(Error::checkpoint(
            "weights: expected theta, got a checkpoint of meta-training; its weights are in the file `params_…` beside it",
        ));
    }
    for (key, others) in [("params", ["gen_id", "step"]), ("0", ["1", "2"])] {
        let is_wrapper = pairs.iter().all(|(name, _)| *name == key || others.contains(name));
        if let (true, Some(theta @ Node::Map(_))) = (is_wrapper, file.get(key)) {
            return Ok(theta);
        }
    }
    Ok(file)
}

fn collect(node: &Node<'_>, name: &str, leaves: &mut Vec<Leaf<'static>>) -> Result<()> {
    match node {
        Node::Nil => Ok(()),
        Node::Array(array) => push(name, array.shape.clone(), array.values(name)?, leaves),
        Node::Map(_) if node.get(CHUNKED).is_some() => {
            let (shape, data) = chunked(node, name)?;
            push(name, shape, data, leaves)
        }
        Node::Map(pairs) => {
            if let Some(fields) = old_tuple(node, name)? {
                return fields
                    .into_iter()
                    .try_for_each(|(key, value)| collect(value, &join(name, key), leaves));
            }
            pairs.iter().try_for_each(|(key, value)| collect(value, &join(name, key), leaves))
        }
        other => Err(Error::checkpoint(format!(
            "weights: expected leaf `{name}` to be an array of float32, got {}",
            other.kind()
        ))),
    }
}

fn push(name: &str, shape: Vec<usize>, data: Vec<f32>, leaves: &mut Vec<Leaf<'static>>) -> Result<()> {
    let leaf = Leaf { spec: TensorSpec::new(name, shape), data: Cow::Owned(data) };
    leaf.check_finite()?;
    leaves.push(leaf);
    Ok(())
}

fn join(name: &str, key: &str) -> String {
    if name.is_empty() { key.into() } else { format!("{name}/{key}") }
}

/// The pairs of a named tuple as files before 2022 have it: {"name": …, "fields": names, "values": values}.
fn old_tuple<'n, 'a>(node: &'n Node<'a>, name: &str) -> Result<Option<Vec<(&'a str, &'n Node<'a>)>>> {
    let (Some(3), Some(_), Some(fields), Some(values)) =
        (node.pairs().map(<[_]>::len), node.get("name"), node.get("fields"), node.get("values"))
    else {
        return Ok(None);
    };
    let names = fields.items().and_then(|fields| {
        let text = |field: &&Node<'a>| if let Node::Text(text) = field { Some(*text) } else { None };
        fields.iter().map(text).collect::<Option<Vec<_>>>()
    });
    match (names, values.items()) {
        (Some(names), Some(values)) if names.len() == values.len() => {
            Ok(Some(names.into_iter().zip(values).collect()))
        }
        _ => Err(Error::checkpoint(format!(
            "weights: expected `{name}` to be a named tuple with as many values as fields"
        ))),
    }
}

/// An array in chunks: {"shape": lengths, "chunks": arrays}.
fn chunked(node: &Node<'_>, name: &str) -> Result<(Vec<usize>, Vec<f32>)> {
    let invalid =
        || Error::checkpoint(format!("weights: expected chunks of leaf `{name}` as its shape says"));
    let length = |item: &&Node<'_>| match item {
        Node::Uint(length) => usize::try_from(*length).ok(),
        _ => None,
    };
    let shape = node.get("shape").and_then(Node::items).ok_or_else(invalid)?;
    let shape: Vec<usize> = shape.iter().map(length).collect::<Option<_>>().ok_or_else(invalid)?;
    let mut data = vec![];
    for chunk in node.get("chunks").and_then(Node::items).ok_or_else(invalid)? {
        let Node::Array(array) = chunk else { return Err(invalid()) };
        data.extend(Array::values(array, name)?);
    }
    if node.pairs().map(<[_]>::len) != Some(3) || data.is_empty() || num_bytes(&shape) != Some(4 * data.len())
    {
        return Err(invalid());
    }
    Ok((shape, data))
}

/// Writes leaves as theta itself, maps and keys in the order in which the leaves come.
/// # Errors
/// `CheckpointInvalid` if two names are the same or one is a beginning of another, if a leaf is not finite, or if it is
/// too large for one array.
pub fn write_flax(leaves: &[Leaf<'_>]) -> Result<Vec<u8>> {
    let mut tree = Tree::default();
    for leaf in leaves {
        leaf.check_finite()?;
        tree.insert(&keys(&leaf.spec.name), leaf)?;
    }
    let mut out = Vec::with_capacity(leaves.iter().map(|leaf| 4 * leaf.data.len() + 100).sum());
    tree.write(&mut out).map_err(|e| Error::checkpoint(format!("msgpack: {e}")).caused_by(e))?;
    Ok(out)
}

/// The keys of a leaf in published files. Names of Haiku's modules hold slashes and are one key each.
fn keys(name: &str) -> Vec<&str> {
    let mut keys = vec![];
    let mut rest = Some(name);
    while let Some(text) = rest {
        let slashes = match text {
            _ if text.starts_with("mlp/~/linear_") => 2,
            _ if text.starts_with("rnn/linear/") => 1,
            _ => 0,
        };
        let end = text.match_indices('/').nth(slashes).map_or(text.len(), |(at, _)| at);
        keys.push(&text[..end]);
        rest = text.get(end + 1..);
    }
    keys
}

/// Leaves by key, in order of insertion.
#[derive(Default)]
struct Tree<'l, 'a> {
    pairs: Vec<(&'l str, Branch<'l, 'a>)>,
}

enum Branch<'l, 'a> {
    Tree(Tree<'l, 'a>),
    Leaf(&'l Leaf<'a>),
}

impl<'l, 'a> Tree<'l, 'a> {
    fn insert(&mut self, keys: &[&'l str], leaf: &'l Leaf<'a>) -> Result<()> {
        let [key, rest @ ..] = keys else { return Ok(()) };
        let at = self.pairs.iter().position(|(name, _)| name == key);
        match (at.map(|at| &mut self.pairs[at].1), rest) {
            (None, []) => self.pairs.push((key, Branch::Leaf(leaf))),
            (None, _) => {
                let mut tree = Tree::default();
                tree.insert(rest, leaf)?;
                self.pairs.push((key, Branch::Tree(tree)));
            }
            (Some(Branch::Tree(tree)), [_, ..]) => tree.insert(rest, leaf)?,
            _ => {
                let name = &leaf.spec.name;
                return Err(Error::checkpoint(format!("weights: leaf `{name}` is in the place of another")));
            }
        }
        Ok(())
    }

    fn write(&self, out: &mut Vec<u8>) -> std::io::Result<()> {
        msgpack::write_map_len(out, self.pairs.len() as u32)?;
        for (key, branch) in &self.pairs {
            msgpack::write_str(out, key)?;
            match branch {
                Branch::Tree(tree) => tree.write(out)?,
                Branch::Leaf(leaf) => write_array(leaf, out)?,
            }
        }
        Ok(())
    }
}

fn write_array(leaf: &Leaf<'_>, out: &mut Vec<u8>) -> std::io::Result<()> {
    let num_bytes = 4 * leaf.data.len();
    if num_bytes > MAX_BYTES {
        let text = format!("leaf `{}` has {num_bytes} bytes, more than one array may have", leaf.spec.name);
        return Err(std::io::Error::other(text));
    }
    let mut head = vec![];
    msgpack::write_array_len(&mut head, 3)?;
    msgpack::write_array_len(&mut head, leaf.spec.shape.len() as u32)?;
    for &length in &leaf.spec.shape {
        msgpack::write_uint(&mut head, length as u64)?;
    }
    msgpack::write_str(&mut head, "float32")?;
    msgpack::write_bin_len(&mut head, num_bytes as u32)?;
    msgpack::write_ext_meta(out, (head.len() + num_bytes) as u32, 1)?;
    out.extend_from_slice(&head);
    leaf.data.iter().for_each(|x| out.extend_from_slice(&x.to_le_bytes()));
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The published runs' thetas, whose names join keys by `|`.
    #[test]
    fn keys_are_those_of_published_thetas() {
        let golden = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test/fixtures/golden");
        let mut checked = 0;
        for file in std::fs::read_dir(golden).expect("the golden directory") {
            let path = file.expect("an entry").path();
            if !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("opt_")) {
                continue;
            }
            let text = std::fs::read_to_string(&path).expect("a file");
            let case: serde_json::Value = serde_json::from_str(&text).expect("JSON");
            for leaf in case["theta"].as_array().into_iter().flatten() {
                let name = leaf["name"].as_str().expect("a name");
                assert_eq!(keys(&name.replace('|', "/")), name.split('|').collect::<Vec<_>>());
                checked += 1;
            }
        }
        assert!(checked > 100, "{checked} names");
    }

    /// The example of the format's description.
    #[test]
    fn an_array_is_an_extension_with_the_shortest_headers() {
        let leaf = Leaf { spec: TensorSpec::new("b", [4]), data: Cow::Owned(vec![0.0, 1.0, -2.0, 0.5]) };
        let bytes = write_flax(&[leaf]).expect("small");
        let head = b"\x81\xa1b\xc7\x1d\x01\x93\x91\x04\xa7float32\xc4\x10";
        assert_eq!(bytes[..head.len()], *head);
        assert_eq!(bytes[head.len()..], [0.0f32, 1.0, -2.0, 0.5].map(f32::to_le_bytes).concat());
    }
}
