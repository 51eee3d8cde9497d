//! Files made by someone who wishes us ill, or by a broken disk.

use crate::specs;
use outerloop_core::error::{ErrorCode, Result};
use outerloop_core::optim::ThetaSpec;
use outerloop_core::weights::{
    DecayOffsets, Leaf, PyloModule, flat_theta, infer_optimizer, leaves_of, read_flax, read_pylo, write_flax,
    write_pylo,
};
use proptest::prelude::*;

fn spec() -> ThetaSpec {
    specs::velo(18, 2, 1)
}

fn file() -> Vec<u8> {
    let spec = spec();
    write_flax(&leaves_of(&specs::theta(&spec), &spec).expect("its length")).expect("small")
}

/// Which bytes of [`file`] are weights.
fn is_weight() -> Vec<bool> {
    let (file, spec) = (file(), spec());
    let theta = specs::theta(&spec);
    let mut out = vec![false; file.len()];
    let mut from = 0;
    for leaf in leaves_of(&theta, &spec).expect("its length") {
        let data: Vec<u8> = leaf.data.iter().flat_map(|x| x.to_le_bytes()).collect();
        let at = from + file[from..].windows(data.len()).position(|window| window == data).expect("written");
        out[at..at + data.len()].fill(true);
        from = at + data.len();
    }
    out
}

fn theta_of(bytes: &[u8]) -> Result<Vec<f32>> {
    let theta = read_flax(bytes).and_then(|leaves| flat_theta(&leaves, &spec()));
    if let Err(e) = &theta {
        assert_eq!(e.code, ErrorCode::CheckpointInvalid);
    }
    theta
}

#[test]
fn no_beginning_of_a_file_is_accepted() {
    let file = file();
    for len in 0..file.len() {
        assert!(read_flax(&file[..len]).is_err(), "{len} bytes");
    }
}

/// Every bit that is not a weight's: either it is noticed, or it says the same (the type of an array's extension may
/// become that of a scalar).
#[test]
fn a_flipped_bit_of_the_structure_never_gives_other_weights() {
    let (file, is_weight, expected) = (file(), is_weight(), specs::theta(&spec()));
    let mut accepted = 0;
    for at in (0..file.len()).filter(|&at| !is_weight[at]) {
        for bit in 0..8 {
            let mut bytes = file.clone();
            bytes[at] ^= 1 << bit;
            if let Ok(theta) = theta_of(&bytes) {
                assert_eq!(theta, expected, "byte {at}, bit {bit}");
                accepted += 1;
            }
        }
    }
    assert_eq!(accepted, spec().leaves.len());
}

/// Headers that promise 2³² entries or bytes: memory follows what is there.
#[test]
fn promised_lengths_are_not_believed() {
    for bytes in [
        &b"\xdf\xff\xff\xff\xff"[..],
        b"\xdf\xff\xff\xff\xff\xa1a\xc0\xa1b\xc0",
        b"\x81\xa1a\xc9\xff\xff\xff\xff\x01\x93",
        b"\x81\xa1a\xc7\x06\x01\x93\xdd\xff\xff\xff\xff",
        b"\x81\xa1a\xc7\x12\x01\x93\x91\x01\xa7float32\xc6\xff\xff\xff\xff",
        b"\x81\xdb\xff\xff\xff\xffa",
    ] {
        assert_eq!(read_flax(bytes).expect_err("must be refused").code, ErrorCode::CheckpointInvalid);
    }
}

#[test]
fn a_million_maps_inside_each_other_do_not_exhaust_the_stack() {
    let bytes = b"\x81\xa1a".repeat(1_000_000);
    assert!(read_flax(&bytes).is_err());
}

fn all_read(bytes: &[u8]) {
    let check = |leaves: Result<Vec<Leaf<'static>>>| {
        let Ok(leaves) = leaves else { return };
        let shapes: Vec<_> = leaves.iter().map(|leaf| leaf.spec.clone()).collect();
        let _ = infer_optimizer(&shapes);
        for leaf in &leaves {
            assert_eq!(leaf.data.len(), leaf.spec.len());
            assert!(leaf.data.iter().all(|x| x.is_finite()));
        }
        assert!(4 * leaves.iter().map(|leaf| leaf.data.len()).sum::<usize>() <= bytes.len());
    };
    check(read_flax(bytes));
    for config in [r#"{"hidden_size":4}"#, r#"{"param_inits":2,"lstm_hidden_size":3}"#] {
        check(read_pylo(&[PyloModule { config, weights: bytes }], None));
    }
}

/// A valid PyLO module's bytes.
fn pylo_file() -> Vec<u8> {
    let spec = specs::spec(r#"{"name":"adafac_mlp"}"#);
    let theta = specs::theta(&spec);
    let parts = write_pylo(
        &serde_json::json!({ "name": "adafac_mlp" }),
        &leaves_of(&theta, &spec).expect("its length"),
    )
    .expect("known");
    parts.into_iter().next().expect("one module").weights
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn random_bytes_never_panic(bytes in proptest::collection::vec(any::<u8>(), 0..300)) {
        all_read(&bytes);
    }

    /// Bytes that are mostly headers get further than random ones.
    #[test]
    fn random_headers_never_panic(bytes in proptest::collection::vec(
        prop_oneof![Just(0x81u8), Just(0xa1), Just(0x61), Just(0xc7), Just(1), Just(0x93), Just(0x91), Just(0xc0), Just(0xdf), any::<u8>()],
        0..100,
    )) {
        all_read(&bytes);
    }

    #[test]
    fn damaged_files_never_panic(
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 0..3u8), 1..6),
        is_pylo in any::<bool>(),
    ) {
        let mut bytes = if is_pylo { pylo_file() } else { file() };
        for (index, byte, kind) in edits {
            let at = index.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => { bytes.remove(at); }
            }
        }
        all_read(&bytes);
        if let Ok(theta) = theta_of(&bytes) {
            prop_assert!(theta.len() == spec().len() && theta.iter().all(|x| x.is_finite()));
        }
        let module = PyloModule { config: r#"{"hidden_size":4}"#, weights: &bytes };
        if let Ok(leaves) = read_pylo(&[module], Some(DecayOffsets::default())) {
            let spec = specs::spec(r#"{"name":"adafac_mlp"}"#);
            prop_assert!(flat_theta(&leaves, &spec).is_ok());
        }
    }

    /// Leaves of any names and shapes come back.
    #[test]
    fn what_is_written_is_read(shapes in proptest::collection::vec(proptest::collection::vec(1..5usize, 0..4), 1..8), seed in any::<u32>()) {
        let leaves: Vec<_> = shapes
            .iter()
            .enumerate()
            .map(|(i, shape)| {
                let spec = outerloop_core::params::TensorSpec::new(format!("m{}/{}/x{i}", i % 3, seed % 5), shape.clone());
                let data = (0..spec.len()).map(|j| f32::from_bits(seed.wrapping_mul(j as u32 + 1) & 0xff7f_ffff & !0x4000_0000));
                Leaf { data: data.collect::<Vec<_>>().into(), spec }
            })
            .collect();
        let mut read = read_flax(&write_flax(&leaves).expect("small")).expect("as written");
        read.sort_by_key(|leaf| leaf.spec.name.rsplit_once('x').map(|(_, i)| i.parse::<usize>().expect("a number")));
        prop_assert_eq!(read, leaves);
    }
}
