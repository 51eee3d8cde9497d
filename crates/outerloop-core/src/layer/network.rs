//! How the activations of a chain of dense layers are best arranged.

use super::dense::is_narrow;
use super::{Grid, Order};
use crate::simd::LANES;

/// The arrangement of every layer's outputs for layers of the given `widths` (inputs first, classes last), whose inputs
/// are given by example and whose last outputs are wanted by feature: the one by which few elements are turned in a step.
///
/// Only widths that fill registers are taken by example.
pub fn arrange(widths: &[usize], batch: usize) -> Vec<Grid> {
    let last = widths.len() - 1;
    let mut order = vec![Order::ByFeature; widths.len()];
    order[0] = Order::ByExample;
    for l in (1..last).rev() {
        let (width, next) = (widths[l], widths[l + 1]);
        // Next layer: its weights for the gradient of this one's outputs, and the outputs where it wants them by feature.
        let mut by_example = width * next;
        if order[l + 1] == Order::ByFeature {
            by_example += batch * width;
        }
        // The gradient for this layer's weights, the first layer's inputs, and the outputs for the next layer's weights.
        let mut by_feature = batch * width;
        if l == 1 {
            by_feature += batch * widths[0];
        }
        if is_narrow(width, next) {
            by_feature += batch * width;
        }
        if width.is_multiple_of(LANES) && by_example <= by_feature {
            order[l] = Order::ByExample;
        }
    }
    widths.iter().zip(order).map(|(&features, order)| Grid { features, batch, order }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_that_fill_registers_are_taken_by_example_if_that_turns_less() {
        let orders = |widths: &[usize], batch| {
            arrange(widths, batch)[1..].iter().map(|g| g.is_by_example()).collect::<Vec<_>>()
        };
        assert_eq!(orders(&[64, 32, 10], 64), [true, false]);
        assert_eq!(orders(&[3072, 256, 256, 10], 128), [true, true, false]);
        assert_eq!(orders(&[64, 33, 10], 64), [false, false]);
        // Few examples: turning 512 × 512 weights is more than turning the activations.
        assert_eq!(orders(&[64, 512, 512, 10], 4), [false, false, false]);
        assert_eq!(orders(&[64, 10], 64), [false]);
    }
}
