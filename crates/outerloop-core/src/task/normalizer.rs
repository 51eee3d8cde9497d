//! How losses of different tasks are put on one scale (spec: learned_optimizers §3.1).

/// Maps a loss to a meta-loss.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Normalizer {
    /// The loss itself.
    Identity,
    /// Clipped to [0, `worst`]; non-finite is `worst`.
    Clip {
        /// 1.5·ln C for a classification of C classes.
        worst: f32,
    },
}

impl Normalizer {
    /// For classification: clip to [0, 1.5·ln `num_classes`] (VeLO's image MLP tasks).
    pub fn classification(num_classes: usize) -> Self {
        Self::Clip { worst: (1.5 * libm::log(num_classes as f64)) as f32 }
    }

    /// The meta-loss of `loss`.
    pub fn apply(self, loss: f32) -> f32 {
        match self {
            Self::Identity => loss,
            Self::Clip { worst } if loss.is_finite() => loss.clamp(0.0, worst),
            Self::Clip { worst } => worst,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clips_and_replaces() {
        let n = Normalizer::classification(10);
        let worst = 1.5 * 10f32.ln();
        assert_eq!([n.apply(1.0), n.apply(-1.0), n.apply(9.0)], [1.0, 0.0, worst]);
        assert_eq!([f32::NAN, f32::INFINITY, f32::NEG_INFINITY].map(|x| n.apply(x)), [worst; 3]);
        assert!(Normalizer::Identity.apply(f32::NAN).is_nan());
    }
}
