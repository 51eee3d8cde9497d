//! Every optimizer, for suites that all of them must pass.

/// Optimizers, and FNV-1a of all numbers of `run` in determinism.rs. They are the same on every CPU, emulated ones among them; a change of
/// kernels may change them, and then the test prints the new ones.
pub const OPTIMIZERS: &[(&str, u64)] = &[
    (r#"{"name":"sgd","lr":0.1}"#, 0xdeb9_0f9d_b347_9061),
    (r#"{"name":"momentum","lr":0.03}"#, 0x354d_5ab0_447a_e1cd),
    (r#"{"name":"momentum","lr":0.03,"nesterov":true}"#, 0x02dc_be9d_bc54_626f),
    (r#"{"name":"adam","lr":0.01}"#, 0x6082_6ca2_6d14_a583),
    (r#"{"name":"mlp_lopt","stepMult":0.01,"hidden":11}"#, 0x6351_d455_a8cd_a65a),
    (r#"{"name":"celo2","stepMult":0.01}"#, 0x621d_cf5a_3488_e0d8),
    (
        r#"{"name":"celo2","stepMult":0.01,"orthogonalize":false,"adamPattern":null,"expMult":0.1,"weightDecay":0.1}"#,
        0x3c7f_4608_973a_1553,
    ),
    (r#"{"name":"adafac_mlp","stepMult":0.01,"hidden":7}"#, 0xb500_3738_88aa_d124),
    (
        r#"{"name":"hierarchical","variant":"library","stepMult":0.01,"hidden":9,"fromMlp":5,"fromLstm":3,"lstmToFf":2,"lstmHidden":21}"#,
        0x44fb_afa7_3808_aad2,
    ),
    (r#"{"name":"hierarchical","variant":"paper","stepMult":0.01}"#, 0x67fa_102c_0470_0f21),
    (
        r#"{"name":"hierarchical","variant":"paper","oldParams":"exact","stepMult":0.01,"hidden":5,"lstmHidden":16}"#,
        0x6904_b71c_6cab_3fdf,
    ),
];
