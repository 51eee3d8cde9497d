//! Every optimizer, for suites that all of them must pass.

/// Optimizers, and FNV-1a of all numbers of `run` in determinism.rs. They are the same on every CPU, emulated ones among them; a change of
/// kernels may change them, and then the test prints the new ones.
pub const OPTIMIZERS: &[(&str, u64)] = &[
    (r#"{"name":"sgd","lr":0.1}"#, 0xdeb9_0f9d_b347_9061),
    (r#"{"name":"momentum","lr":0.03}"#, 0x354d_5ab0_447a_e1cd),
    (r#"{"name":"momentum","lr":0.03,"nesterov":true}"#, 0x02dc_be9d_bc54_626f),
    (r#"{"name":"adam","lr":0.01}"#, 0x6082_6ca2_6d14_a583),
    (r#"{"name":"mlp_lopt","stepMult":0.01,"hidden":11}"#, 0x5564_c4e2_d7e4_aaf2),
    (r#"{"name":"celo2","stepMult":0.01}"#, 0xbd51_d615_49d5_1245),
    (
        r#"{"name":"celo2","stepMult":0.01,"orthogonalize":false,"adamPattern":null,"expMult":0.1,"weightDecay":0.1}"#,
        0x8423_28f8_7696_d42e,
    ),
    (r#"{"name":"adafac_mlp","stepMult":0.01,"hidden":7}"#, 0xe20c_8132_bd87_44b2),
    (
        r#"{"name":"hierarchical","variant":"library","stepMult":0.01,"hidden":9,"fromMlp":5,"fromLstm":3,"lstmToFf":2,"lstmHidden":21}"#,
        0x44fb_afa7_3808_aad2,
    ),
    (r#"{"name":"hierarchical","variant":"paper","stepMult":0.01}"#, 0x67fa_102c_0470_0f21),
    (
        r#"{"name":"hierarchical","variant":"paper","oldParams":"exact","stepMult":0.01,"hidden":5,"lstmHidden":16}"#,
        0x6904_b71c_6cab_3fdf,
    ),
    (r#"{"name":"rmsprop","lr":0.003}"#, 0xdd3f_3536_bc97_262d),
    (r#"{"name":"rmsprop","lr":0.003,"momentum":0.8,"nesterov":true}"#, 0xedc6_549c_efdd_80af),
    (r#"{"name":"adamw","lr":0.01,"weightDecay":0.1}"#, 0x750a_e4c9_bc01_7147),
    (
        r#"{"name":"nadamw","lr":0.1,"l2":0.01,"weightDecay":0.1,"minLrMult":0,"constantFraction":0.001,"warmupFraction":0.003,"arrayBetas":true}"#,
        0x9891_d523_1878_09ed,
    ),
    (
        r#"{"name":"adam8p","lr":0.01,"l1":0.001,"l2":0.01,"linearDecay":0.01,"exponentialDecay":0.1,"rescaleTime":true}"#,
        0xfb78_6704_eb0a_d9af,
    ),
    (r#"{"name":"adagrad","lr":0.03}"#, 0x0e18_680b_0cf9_d1cf),
    (r#"{"name":"lion","lr":0.003}"#, 0x3f66_048d_13a9_7cf3),
    (r#"{"name":"yogi","lr":0.01}"#, 0x5164_29dd_956f_3bc5),
    (r#"{"name":"radam","lr":0.01}"#, 0xe768_0146_f21b_c23f),
    (r#"{"name":"adabelief","lr":0.01}"#, 0x5583_f7b5_0aac_9b35),
    (r#"{"name":"learnable_sgd"}"#, 0x5e5d_8eaa_c55f_9e3f),
    (r#"{"name":"learnable_sgdm"}"#, 0xdf7b_6a6d_73aa_c7c3),
    (r#"{"name":"learnable_adam"}"#, 0xae4c_b6b6_a16d_063d),
    (r#"{"name":"nn_adam","outputScale":0.1,"lstmHidden":21}"#, 0xc614_bcd7_e724_f9ad),
    (
        r#"{"name":"adafac_nominal","stepMult":0.01,"nominalLr":0.003,"weightDecay":0.01,"nominalController":true,"decayController":true}"#,
        0x1461_9a4b_62eb_bd4e,
    ),
    (r#"{"name":"l2l_gru"}"#, 0x95b6_126e_4d27_33b1),
    (r#"{"name":"l2l_lstm","hidden":7,"stepMult":0.1}"#, 0x8389_e5b6_78d7_e23e),
    (r#"{"name":"param_lstm","stepMult":0.01}"#, 0x238f_3adf_a18d_4ec5),
    (r#"{"name":"rms_mlp","stepMult":0.01,"hidden":9}"#, 0xc603_07ed_9e0b_d102),
    (r#"{"name":"lamb","lr":0.01,"weightDecay":0.01}"#, 0x763d_d1c4_bfc4_7169),
    (r#"{"name":"lars","lr":1,"weightDecay":0.01}"#, 0x84a9_8410_2bb5_6cbf),
    (r#"{"name":"fromage","lr":0.01}"#, 0x770d_da29_e267_9bb9),
    (r#"{"name":"adafactor","lr":0.01}"#, 0x178f_2ff2_270c_94df),
    (
        r#"{"name":"adafactor","lr":0.01,"minDimSizeToFactor":2,"momentum":0.9,"weightDecay":0.001}"#,
        0x964c_1bef_64c7_7a51,
    ),
    (r#"{"name":"sm3","lr":0.01}"#, 0x5d32_bb14_263c_1ebb),
    (r#"{"name":"muon","dialect":"celo2","lr":0.01}"#, 0xe300_f3cc_a337_9813),
    (
        r#"{"name":"muon","dialect":"optax","lr":0.01,"weightDecay":0.01,"adamPattern":"0/w$"}"#,
        0x0cd4_ac4c_1029_2715,
    ),
    (
        r#"{"name":"clip_gradients","by":"globalNorm","max":0.5,"inner":{"name":"weight_decay","weightDecay":0.01,"inner":{"name":"schedule","factor":{"kind":"cosine","warmupSteps":3,"totalSteps":9},"inner":{"name":"scaled","tensors":[{"pattern":"b$","factor":0.5}],"inner":{"name":"adam","lr":0.01}}}}}"#,
        0x28b3_e617_38d5_867b,
    ),
    (
        r#"{"name":"sum","first":{"name":"accumulate","steps":2,"inner":{"name":"hierarchical","variant":"library","stepMult":0.01}},"second":{"name":"graft","magnitude":{"name":"sgd","lr":0.01},"direction":{"name":"adafac_mlp","stepMult":0.01}}}"#,
        0x0e5a_978e_012e_20ca,
    ),
    (r#"{"name":"shampoo","lr":0.01,"start":3,"every":2,"maxDim":16}"#, 0x09d5_5ab6_ce2b_9539),
    (
        r#"{"name":"velo","stepMult":0.01,"lstmHidden":21,"paramInits":7,"buggedLossFeatures":false,"buggedNextLstmState":false}"#,
        0x7b6d_e186_9e65_ab12,
    ),
    (
        r#"{"name":"velo","stepMult":0.01,"lstmHidden":48,"paramInits":32,"ffMult":1,"buggedLossFeatures":true,"buggedNextLstmState":true}"#,
        0xc7ef_5cbb_5989_0f5a,
    ),
    (r#"{"name":"celo","phase":1,"stepMult":0.01}"#, 0xd94f_9056_20b0_a7d3),
    (r#"{"name":"celo","phase":2,"stepMult":0.1,"lstmHidden":10,"paramInits":3}"#, 0x49a2_ea1b_b0e4_b20c),
    (r#"{"name":"celo_adam","stepMult":0.1}"#, 0x0e6f_c1ad_6052_a0cd),
];
