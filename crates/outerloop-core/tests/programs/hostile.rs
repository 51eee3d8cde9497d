//! Programs as somebody who means harm would write them: refused with what is wrong named, in bounded time and memory.

use outerloop_core::program::Program;

fn refused(json: &str) -> String {
    Program::from_json(json).expect_err("a refusal").to_string()
}

/// A program with these nodes on x `[4]` (value 0) and w `[4]` (value 1).
fn with_nodes(nodes: &str, loss: usize) -> String {
    format!(
        r#"{{"inputs":[{{"name":"x","dtype":"f32","shape":[4]}}],"params":[{{"name":"w","shape":[4]}}],"nodes":[{nodes}],"loss":{loss}}}"#
    )
}

const SUM: &str = r#"{"op":"reduce","fold":"sum","args":[1]}"#;

#[test]
fn a_small_program_is_read() {
    assert!(Program::from_json(&with_nodes(SUM, 2)).is_ok());
}

#[test]
fn values_that_are_not_there_yet() {
    for args in ["[2]", "[9]", "[18446744073709551615]"] {
        let message = refused(&with_nodes(&format!(r#"{{"op":"map","function":"exp","args":{args}}}"#), 2));
        assert!(message.contains("node 0 (map)"), "{message}");
    }
    assert!(refused(&with_nodes(SUM, 7)).contains("`loss`"));
    assert!(refused(&with_nodes(SUM, 1)).contains("expected a scalar, got f32[4]"));
}

#[test]
fn sizes_that_overflow() {
    for shape in
        ["[4294967296,4294967296,4294967296]", "[0]", "[2147483649]", "[1,1,1,1,1,1,1]", "[65536,65536]"]
    {
        let json = format!(
            r#"{{"inputs":[{{"name":"x","dtype":"f32","shape":{shape}}}],"params":[],"nodes":[],"loss":0}}"#
        );
        let message = refused(&json);
        assert!(message.contains("input `x`"), "{message}");
    }
    // Doubled until it is too large: refused at the node where that happens, and nothing was allocated.
    let doubled: Vec<String> =
        (0..64).map(|i| format!(r#"{{"op":"concat","axis":0,"args":[{0},{0}]}}"#, i + 1)).collect();
    assert!(refused(&with_nodes(&doubled.join(","), 1)).contains("node 29 (concat)"));
    let padded = r#"{"op":"pad","widths":[[18446744073709551615,18446744073709551615]],"args":[0]}"#;
    assert!(refused(&with_nodes(padded, 2)).contains("node 0 (pad)"));
    let sliced = r#"{"op":"slice","axis":0,"start":18446744073709551615,"len":2,"args":[0]}"#;
    assert!(refused(&with_nodes(sliced, 2)).contains("node 0 (slice)"));
}

#[test]
fn too_many_nodes() {
    let nodes = vec![r#"{"op":"map","function":"exp","args":[0]}"#; 70_000].join(",");
    assert!(refused(&with_nodes(&nodes, 2)).contains("`nodes`"));
}

#[test]
fn unknown_operations_and_options() {
    assert!(refused(&with_nodes(r#"{"op":"shell","args":[0]}"#, 2)).contains("shell"));
    assert!(refused(&with_nodes(r#"{"op":"map","function":"system","args":[0]}"#, 2)).contains("system"));
    assert!(refused(r#"{"inputs":[],"params":[],"nodes":[],"loss":0,"run":1}"#).contains("run"));
    assert!(refused("{").contains("program"));
}

#[test]
fn numbers_that_are_none() {
    let constant = |values: &str| format!(r#"{{"op":"constant","shape":[1],"values":[{values}],"args":[]}}"#);
    assert!(refused(&with_nodes(&constant("1e39"), 2)).contains("finite"));
    assert!(
        refused(&with_nodes(r#"{"op":"map","function":"clip","min":2,"max":1,"args":[0]}"#, 2))
            .contains("`min`")
    );
    assert!(
        refused(&with_nodes(r#"{"op":"map","function":"power","exponent":1e300,"args":[0]}"#, 2))
            .contains("finite")
    );
}

#[test]
fn names_twice() {
    let json = with_nodes(SUM, 2).replace(r#""name":"w""#, r#""name":"x""#);
    assert!(refused(&json).contains("`x`"));
    assert!(refused(&with_nodes(SUM, 2).replace(r#""name":"w""#, r#""name":"""#)).contains("names"));
}

/// Every kind of argument for every operation: an answer, never a panic.
#[test]
fn arguments_of_every_kind() {
    let inputs = [
        ("f32", "[]"),
        ("f32", "[1]"),
        ("f32", "[4]"),
        ("f32", "[4,4]"),
        ("f32", "[2,4,4]"),
        ("f32", "[2,4,4,4]"),
        ("f32", "[1,1,1,1,1,1]"),
        ("u32", "[]"),
        ("u32", "[4]"),
        ("u32", "[2,4]"),
    ];
    let ops = [
        r#""op":"dense""#,
        r#""op":"dense","activation":{"function":"relu"}"#,
        r#""op":"matmul","transposed":[true,false]"#,
        r#""op":"conv2d","padding":"same","stride":3"#,
        r#""op":"conv2d","padding":"valid","stride":0"#,
        r#""op":"conv2d_transpose","padding":"same"#,
        r#""op":"conv2d_transpose","padding":"valid","stride":2"#,
        r#""op":"pool","kind":"max","window":[2,9],"stride":1,"padding":"valid""#,
        r#""op":"pool","kind":"mean","window":[0,0],"stride":0,"padding":"same""#,
        r#""op":"rnn","cell":"gru""#,
        r#""op":"rnn","cell":"lstm""#,
        r#""op":"rnn","cell":"vanilla","activation":{"function":"tanh"}"#,
        r#""op":"attention","heads":2"#,
        r#""op":"attention","heads":0,"causal":true"#,
        r#""op":"layer_norm""#,
        r#""op":"batch_norm","eps":-1"#,
        r#""op":"embed""#,
        r#""op":"softmax_xent""#,
        r#""op":"sigmoid_xent""#,
        r#""op":"wrong""#,
        r#""op":"map","function":"gelu""#,
        r#""op":"zip","pairing":"pow""#,
        r#""op":"reduce","fold":"max","axes":[0,0]"#,
        r#""op":"reduce","fold":"log_sum_exp","axes":[3]"#,
        r#""op":"reshape","shape":[]"#,
        r#""op":"transpose","axes":[1,0]"#,
        r#""op":"slice","axis":9,"start":0,"len":0"#,
        r#""op":"concat","axis":3"#,
        r#""op":"pad","widths":[[1,1]]"#,
        r#""op":"gather","axis":0,"indices":[]"#,
        r#""op":"constant","shape":[0],"values":[]"#,
    ];
    let list: Vec<String> = inputs
        .iter()
        .enumerate()
        .map(|(i, (d, s))| format!(r#"{{"name":"x{i}","dtype":"{d}","shape":{s}}}"#))
        .collect();
    let mut accepted = 0;
    for op in ops {
        for a in 0..inputs.len() {
            for args in
                [format!("[{a}]"), "[]".into()].into_iter().chain((0..inputs.len()).flat_map(|b| {
                    [format!("[{a},{b}]"), format!("[{a},{b},{b}]"), format!("[{a},{b},{a},{b}]")]
                }))
            {
                let node = format!(r#"{{{op},"args":{args}}}"#);
                let json = format!(
                    r#"{{"inputs":[{}],"params":[{{"name":"w","shape":[1]}}],"nodes":[{node}],"loss":0}}"#,
                    list.join(",")
                );
                accepted += usize::from(Program::from_json(&json).is_ok());
            }
        }
    }
    assert!(accepted > 100, "{accepted}");
}
