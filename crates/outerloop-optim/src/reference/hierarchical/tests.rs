//! Properties of the paper's variant, for which there are no published numbers.

use super::*;

const PAPER: Variant = Variant::Paper {
    old_params: OldParamsMode::Snapshot,
    feature_clip: 1e9,
    train_loss_decay: 0.9,
    valid_loss_decay: 0.95,
};

fn small(variant: Variant) -> HierarchicalConfig {
    let sizes = HierarchicalConfig {
        hidden: 5,
        from_mlp: 3,
        from_lstm: 2,
        lstm_to_ff: 4,
        lstm_hidden: 3,
        ..HierarchicalConfig::new(variant)
    };
    HierarchicalConfig { step_mult: 0.05, exp_mult: 0.1, ..sizes }
}

fn wave(len: usize, phase: f64) -> Vec<f64> {
    (0..len).map(|i| 0.4 * (12.9898 * i as f64 + phase).sin()).collect()
}

/// Runs `steps` steps on two tensors; gradients reach ±40, so that the clipper (bound 10 at first) bites.
fn run(
    config: HierarchicalConfig,
    theta: &[f64],
    steps: usize,
    valid_every: Option<usize>,
) -> (Hierarchical, Vec<Tensor>) {
    let specs = [TensorSpec::new("b", [3]), TensorSpec::new("w", [2, 3])];
    let theta: Vec<f32> = theta.iter().map(|&x| x as f32).collect();
    let mut optimizer = Hierarchical::new(config, &theta, &specs, Constants::Exact).expect("theta fits");
    let mut params = vec![Tensor::new("b", [3], wave(3, 0.1)), Tensor::new("w", [2, 3], wave(6, 0.2))];
    for t in 0..steps {
        let mut grads = params.clone();
        for g in &mut grads {
            g.data = wave(g.data.len(), t as f64).iter().map(|x| 4000.0 * x.powi(5)).collect();
        }
        let valid = valid_every.filter(|&n| t.is_multiple_of(n)).map(|_| 1.0);
        optimizer.step(&mut params, &grads, 2.0 / (1.0 + t as f64), valid);
    }
    (optimizer, params)
}

#[test]
fn published_sizes_give_the_published_lengths() {
    assert_eq!(HierarchicalConfig::new(Variant::Library).theta_length(), 35_799);
    assert_eq!(HierarchicalConfig::new(PAPER).theta_length(), 35_833);
}

/// Blind to the old parameters and to the validation loss, with a clip out of reach and the clipper's constants at
/// the library's, the paper's variant is the library's. The two constants are f32 logarithms: 1e-7 relative in the
/// bound, 1e-6 after 120 steps.
#[test]
fn the_paper_variant_contains_the_library_variant() {
    let (library, paper) = (small(Variant::Library), small(PAPER));
    let mut theta = wave(library.theta_length(), 0.3);
    // Weights of the validation loss: input 15 of the LSTM's tensor features, behind the two summaries.
    let layers = [(library.num_features(), 5), (5, 5), (5, 5)];
    let lstm = layers.iter().map(|(i, o)| (i + 1) * o).sum::<usize>() + 2 + 3 + 2 * 3;
    let valid_row = lstm + 12 + (2 + 3 + 14) * 12;
    theta[valid_row..valid_row + 12].fill(0.0);
    let mut paper_theta = vec![10f64.ln(), 0.01f64.ln()];
    paper_theta.extend(&theta[..5 + 2 * 5]);
    paper_theta.extend([0.0; 5]);
    paper_theta.extend(&theta[5 + 2 * 5..]);
    let (_, expected) = run(library, &theta, 120, None);
    let (_, got) = run(paper, &paper_theta, 120, None);
    for (a, b) in got.iter().zip(&expected).flat_map(|(a, b)| a.data.iter().zip(&b.data)) {
        assert!((a - b).abs() < 1e-6, "{a} {b}");
    }
}

/// Clipped to almost nothing, the features of a tensor's elements are all alike, and so are their steps.
#[test]
fn normalised_features_are_clipped() {
    let Variant::Paper { old_params, train_loss_decay, valid_loss_decay, .. } = PAPER else { return };
    let variant = Variant::Paper { old_params, feature_clip: 1e-12, train_loss_decay, valid_loss_decay };
    let config = small(variant);
    let (_, params) = run(config, &wave(config.theta_length(), 0.7), 3, None);
    let moved: Vec<f64> = params[1].data.iter().zip(wave(6, 0.2)).map(|(p, start)| p - start).collect();
    assert!(moved.iter().all(|m| (m - moved[0]).abs() < 1e-9) && moved[0] != 0.0, "{moved:?}");
}

#[test]
fn validation_advances_time_in_the_library_only() {
    for (variant, expected) in [(Variant::Library, 23.0), (PAPER, 20.0)] {
        let config = small(variant);
        let (optimizer, _) = run(config, &wave(config.theta_length(), 0.9), 20, Some(7));
        assert_eq!(optimizer.iteration.item(), expected);
        assert_eq!(optimizer.valid_loss.state()[2].item(), 3.0);
    }
}
