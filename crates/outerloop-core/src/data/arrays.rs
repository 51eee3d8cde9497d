//! Data sets from arrays in memory.

use super::bytes::AlignedBytes;
use super::idx::FROM_ONE;
use super::image_set::{Examples, ImageSet, Pixels};
use super::order::ExampleOrder;
use super::spec::{check_name, check_seed, given};
use crate::error::{Error, ErrorCode, Result};
use crate::memory::MemoryLimit;
use serde::Deserialize;

/// What the arrays are.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ArrayOptions {
    /// Name under which tasks refer to the set.
    pub name: String,
    /// Rows of an image.
    pub height: usize,
    /// Columns of an image.
    pub width: usize,
    /// Colours, planar.
    pub channels: usize,
    /// Number of classes.
    pub num_classes: usize,
    /// The label of the first class. Default 0.
    #[serde(default, deserialize_with = "given")]
    pub first_label: Option<u16>,
    /// Seed of a random order of the examples, for arrays sorted by class. Default: their order.
    #[serde(default, deserialize_with = "given")]
    pub shuffle_seed: Option<u64>,
    /// Whether splits may have classes that train lacks. Default false.
    #[serde(default, deserialize_with = "given")]
    pub allow_unseen_classes: Option<bool>,
}

/// A data set from bytes and labels, which are copied.
///
/// # Shapes
/// `images: [num_examples, channels, height, width]`; `labels: [num_examples]`.
/// # Errors
/// `InvalidOption` if the name is empty or taken, or the seed is too large; `DataInvalid` if the data set takes more memory
/// than `limit`, a label is no class, examples are sorted by class, or what [`ImageSet::new`] refuses.
pub fn load_arrays(
    images: &[u8],
    labels: &[u16],
    options: &ArrayOptions,
    limit: MemoryLimit,
) -> Result<ImageSet> {
    let ArrayOptions { name, height, width, channels, num_classes, .. } = options;
    check_name(name)?;
    check_seed(name, options.shuffle_seed)?;
    let wanted = images.len() as u64 + 6 * labels.len() as u64;
    limit.check(ErrorCode::DataInvalid, format!("data set {name:?}"), wanted)?;
    let first = options.first_label.unwrap_or(0);
    if let Some(i) =
        labels.iter().position(|&label| label < first || usize::from(label - first) >= *num_classes)
    {
        let last = usize::from(first) + num_classes.saturating_sub(1);
        let hint = if options.first_label.is_none() && usize::from(labels[i]) == *num_classes {
            FROM_ONE
        } else {
            ""
        };
        let got = labels[i];
        return Err(Error::data(format!(
            "{name}: expected labels from {first} to {last}, got {got} at example {i}{hint}"
        )));
    }
    let order = ExampleOrder {
        shuffle_seed: options.shuffle_seed,
        allow_unseen_classes: options.allow_unseen_classes.unwrap_or(false),
    };
    let num_values = [*channels, *height, *width].iter().try_fold(labels.len(), |n, &d| n.checked_mul(d));
    // Of arrays that do not fit each other nothing is moved: they are refused as they are.
    let places =
        if num_values == Some(images.len()) { order.permutation(name, labels.len(), None)? } else { None };
    let label = |i: usize| labels[i] - first;
    let example_len = images.len() / labels.len().max(1);
    let examples = Examples {
        pixels: Pixels::U8(AlignedBytes::gather(images, example_len, places.as_deref())),
        labels: match &places {
            None => (0..labels.len()).map(label).collect(),
            Some(places) => places.iter().map(|&i| label(i as usize)).collect(),
        },
        height: *height,
        width: *width,
        channels: *channels,
    };
    order.assemble(name, examples, *num_classes, None)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn options(more: serde_json::Value) -> ArrayOptions {
        let mut all = json!({ "name": "a", "height": 1, "width": 2, "channels": 1, "numClasses": 3 });
        all.as_object_mut().expect("an object").extend(more.as_object().expect("an object").clone());
        serde_json::from_value(all).expect("valid")
    }

    fn images(n: usize) -> Vec<u8> {
        (0..2 * n).map(|i| i as u8).collect()
    }

    #[test]
    fn labels_may_start_anywhere() {
        let labels: Vec<u16> = (0..30).map(|i| 1 + i % 3).collect();
        let load = |more| load_arrays(&images(30), &labels, &options(more), MemoryLimit::DEFAULT);
        let set = load(json!({ "firstLabel": 1 })).expect("valid");
        assert_eq!(set.labels()[..4], [0, 1, 2, 0]);
        assert_eq!(
            load(json!({})).expect_err("from 1").message,
            "a: expected labels from 0 to 2, got 3 at example 2 (`firstLabel: 1` is for labels that start from 1)"
        );
        let message = load(json!({ "firstLabel": 2 })).expect_err("from 2").message;
        assert_eq!(message, "a: expected labels from 2 to 4, got 1 at example 0");
    }

    #[test]
    fn a_shuffle_keeps_images_and_labels_together() {
        let labels: Vec<u16> = (0..90).map(|i| i / 30).collect();
        let load = |more| load_arrays(&images(90), &labels, &options(more), MemoryLimit::DEFAULT);
        assert!(load(json!({})).expect_err("sorted").message.contains("shuffleSeed"));
        let set = load(json!({ "shuffleSeed": 5 })).expect("mixed");
        let Pixels::U8(pixels) = set.pixels() else { panic!("made of bytes") };
        for (pair, &label) in pixels.chunks(2).zip(set.labels()) {
            let i = pair[0] / 2;
            assert_eq!((pair[1], u16::from(i / 30)), (2 * i + 1, label));
        }
    }

    #[test]
    fn what_is_out_of_range_is_refused() {
        let labels: Vec<u16> = (0..30).map(|i| i % 3).collect();
        let load = |more, limit| load_arrays(&images(30), &labels, &options(more), MemoryLimit::new(limit));
        // 60 bytes of images; labels, and places for a shuffle: 6 bytes an example.
        assert!(load(json!({}), 240).is_ok());
        let message = load(json!({}), 239).expect_err("too large").message;
        assert_eq!(
            message,
            "expected data set \"a\" to take at most 239 bytes of memory (`maxMemoryBytes`), got about 240"
        );
        for (more, code) in [
            (json!({ "name": "" }), ErrorCode::InvalidOption),
            (json!({ "name": "mnist8" }), ErrorCode::InvalidOption),
            (json!({ "shuffleSeed": 1u64 << 53 }), ErrorCode::InvalidOption),
            (json!({ "width": 3, "shuffleSeed": 1 }), ErrorCode::DataInvalid),
            (json!({ "width": usize::MAX, "shuffleSeed": 1 }), ErrorCode::DataInvalid),
            (json!({ "numClasses": 0 }), ErrorCode::DataInvalid),
        ] {
            assert_eq!(load(more.clone(), 1 << 20).expect_err("refused").code, code, "{more}");
        }
    }
}
