//! `theta.state` files.

use crate::specs;
use outerloop_core::error::ErrorCode;
use outerloop_core::weights::{Leaf, flat_theta, leaves_of, read_flax, write_flax};
use std::path::Path;

fn released(name: &str) -> Vec<u8> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../test/fixtures/weights/celo");
    std::fs::read(directory.join(name)).expect("a fixture")
}

/// Celo's and Celo-Adam's weights as amoudgl/celo publishes them.
#[test]
fn released_files_are_read_and_written_byte_for_byte() {
    for (name, spec, num_leaves, num_weights) in [
        ("celo.theta.state", specs::velo(18, 64, 1), 33, 37_089),
        ("celo_adam.theta.state", specs::celo_adam(64), 12, 36_865),
    ] {
        let bytes = released(name);
        let leaves = read_flax(&bytes).expect("a published file");
        assert_eq!(leaves.len(), num_leaves, "{name}");
        assert!(write_flax(&leaves).expect("as read") == bytes, "{name}: written as read");
        let theta = flat_theta(&leaves, &spec).expect("the leaves of its optimizer");
        assert_eq!(theta.len(), num_weights, "{name}");
        let again = write_flax(&leaves_of(&theta, &spec).expect("its length")).expect("as read");
        assert!(again == bytes, "{name}: written from theta");
    }
    // The first weight of the file: bytes 5a 6f f5 3c.
    let leaves = read_flax(&released("celo.theta.state")).expect("a published file");
    assert_eq!(
        (&leaves[0].spec.name[..], leaves[0].data[0]),
        ("ff_mod_stack/~/b0", f32::from_bits(0x3cf5_6f5a))
    );
}

#[test]
fn every_theta_comes_back_bit_for_bit() {
    let known = specs::CONFIGS.map(specs::spec);
    for spec in known.into_iter().chain([specs::velo(30, 12, 5), specs::nn_adam(6)]) {
        let theta = specs::theta(&spec);
        let bytes = write_flax(&leaves_of(&theta, &spec).expect("its length")).expect("small");
        let leaves = read_flax(&bytes).expect("as written");
        let names: Vec<_> = leaves.iter().map(|leaf| &leaf.spec).collect();
        assert_eq!(names, specs::shapes(&spec).iter().collect::<Vec<_>>());
        assert_eq!(flat_theta(&leaves, &spec).expect("complete"), theta);
    }
}

/// A writer of its own, with the longest headers there are.
pub mod long {
    pub fn head(marker: u8, len: usize) -> Vec<u8> {
        [&[marker][..], &(len as u32).to_be_bytes()].concat()
    }

    pub fn text(text: &str) -> Vec<u8> {
        [head(0xdb, text.len()), text.into()].concat()
    }

    pub fn map(pairs: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let bytes = pairs.iter().flat_map(|(key, value)| [text(key), value.clone()].concat()).collect();
        [head(0xdf, pairs.len()), bytes].concat()
    }

    pub fn number(x: u64) -> Vec<u8> {
        [&[0xcf][..], &x.to_be_bytes()].concat()
    }

    pub fn ext(kind: u8, payload: &[u8]) -> Vec<u8> {
        [head(0xc9, payload.len()), vec![kind], payload.to_vec()].concat()
    }

    pub fn payload(shape: &[u64], dtype: &str, bytes: &[u8]) -> Vec<u8> {
        let shape = [head(0xdd, shape.len()), shape.iter().flat_map(|&x| number(x)).collect()].concat();
        [head(0xdd, 3), shape, text(dtype), head(0xc6, bytes.len()), bytes.to_vec()].concat()
    }

    pub fn array(shape: &[u64], data: &[f32]) -> Vec<u8> {
        ext(1, &payload(shape, "float32", &data.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<_>>()))
    }
}
use long::{array, ext, map, number, payload, text};

fn leaf(name: &str, shape: &[usize], data: &[f32]) -> Leaf<'static> {
    let spec = outerloop_core::params::TensorSpec::new(name, shape);
    Leaf { spec, data: data.to_vec().into() }
}

#[test]
fn every_published_form_is_read() {
    let theta = map(&[("a", array(&[2], &[1.0, 2.0])), ("none", vec![0xc0]), ("z", array(&[], &[3.0]))]);
    let expected = [leaf("a", &[2], &[1.0, 2.0]), leaf("z", &[], &[3.0])];
    let training = [("gen_id", text("x")), ("params", theta.clone()), ("step", number(9))];
    let old = [("0", theta.clone()), ("1", text("")), ("2", number(0))];
    for file in [theta, map(&training), map(&old)] {
        assert_eq!(read_flax(&file).expect("a published form"), expected);
    }
    let scalar = map(&[("s", ext(3, &payload(&[], "float32", &1.5f32.to_le_bytes())))]);
    assert_eq!(read_flax(&scalar).expect("a NumPy scalar"), [leaf("s", &[], &[1.5])]);
    let list = map(&[("l", map(&[("0", array(&[1], &[1.0])), ("1", array(&[1], &[2.0]))]))]);
    assert_eq!(read_flax(&list).expect("a list"), [leaf("l/0", &[1], &[1.0]), leaf("l/1", &[1], &[2.0])]);
}

#[test]
fn old_named_tuples_are_read() {
    let [hidden, cell] = [[1.0, 2.0], [3.0, 4.0]].map(|data| array(&[1, 2], &data));
    let tuple = map(&[
        ("name", text("LSTMState")),
        ("fields", map(&[("0", text("hidden")), ("1", text("cell"))])),
        ("values", map(&[("0", hidden), ("1", cell)])),
    ]);
    let expected = [leaf("s/hidden", &[1, 2], &[1.0, 2.0]), leaf("s/cell", &[1, 2], &[3.0, 4.0])];
    assert_eq!(read_flax(&map(&[("s", tuple)])).expect("an old file"), expected);
}

#[test]
fn chunked_arrays_are_read() {
    let chunked = |shape: &[(&str, Vec<u8>)]| {
        let chunks = map(&[("0", array(&[4], &[1.0, 2.0, 3.0, 4.0])), ("1", array(&[2], &[5.0, 6.0]))]);
        map(&[(
            "w",
            map(&[("__msgpack_chunked_array__", vec![0xc3]), ("shape", map(shape)), ("chunks", chunks)]),
        )])
    };
    let file = chunked(&[("0", number(2)), ("1", number(3))]);
    assert_eq!(read_flax(&file).expect("chunks"), [leaf("w", &[2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0])]);
    let short = chunked(&[("0", number(2)), ("1", number(2))]);
    assert_eq!(read_flax(&short).expect_err("other shape").code, ErrorCode::CheckpointInvalid);
}

#[test]
fn what_is_no_theta_is_refused_and_named() {
    let zeros = [0u8; 8];
    let twice =
        [long::head(0xdf, 2), text("a"), array(&[1], &[1.0]), text("a"), array(&[1], &[1.0])].concat();
    let mut deep = array(&[1], &[1.0]);
    for _ in 0..17 {
        deep = map(&[("a", deep)]);
    }
    let trailing = [map(&[("a", array(&[1], &[1.0]))]), vec![0]].concat();
    let same = map(&[("a/b", array(&[1], &[1.0])), ("a", map(&[("b", array(&[1], &[1.0]))]))]);
    let parts = |shape: &[u64], dtype, bytes: &[u8]| map(&[("w", ext(1, &payload(shape, dtype, bytes)))]);
    for (what, file, named) in [
        ("f64", parts(&[1], "float64", &zeros), "leaf `w`, got \"float64\""),
        ("bf16", parts(&[4], "bfloat16", &zeros), "leaf `w`, got \"bfloat16\""),
        ("too few bytes", parts(&[3], "float32", &zeros), "leaf `w`"),
        ("too many bytes", parts(&[1], "float32", &zeros), "leaf `w`"),
        ("a huge shape", parts(&[1 << 31, 1 << 31, 1 << 31], "float32", &zeros), "leaf `w`"),
        ("an axis that wraps around", parts(&[u64::MAX], "float32", &zeros), "axis"),
        ("an empty array", parts(&[0], "float32", &[]), "leaf `w`"),
        ("NaN", map(&[("w", array(&[2], &[0.0, f32::NAN]))]), "leaf `w`, got NaN at 1"),
        ("infinity", map(&[("w", array(&[1], &[f32::NEG_INFINITY]))]), "leaf `w`, got -inf"),
        ("text as a leaf", map(&[("w", text("x"))]), "leaf `w`"),
        ("a float as a leaf", map(&[("w", vec![0xca, 0, 0, 0, 0])]), "leaf `w`"),
        ("a complex number", map(&[("w", ext(2, &zeros))]), "leaf `w`"),
        ("a key twice", twice, "`a` twice"),
        ("one name for two leaves", same, "`a/b` is there twice"),
        ("deep nesting", deep, "16 maps"),
        ("more bytes", trailing, "the end"),
        ("no map", array(&[1], &[1.0]), "a map"),
        ("nothing", map(&[]), "leaves"),
        ("training's checkpoint", map(&[("gradient_learner_state", map(&[]))]), "params_"),
        ("no file", vec![], "1 bytes"),
    ] {
        let error = read_flax(&file).expect_err(what);
        assert_eq!(error.code, ErrorCode::CheckpointInvalid, "{what}");
        assert!(error.message.contains(named), "{what}: {}", error.message);
    }
}

#[test]
fn names_that_cannot_stand_together_are_not_written() {
    for names in [["a", "a"], ["a", "a/b"], ["a/b", "a"]] {
        let leaves = names.map(|name| leaf(name, &[1], &[1.0]));
        assert_eq!(write_flax(&leaves).expect_err("must be refused").code, ErrorCode::CheckpointInvalid);
    }
    assert!(write_flax(&[leaf("a", &[1], &[f32::NAN])]).is_err());
}
