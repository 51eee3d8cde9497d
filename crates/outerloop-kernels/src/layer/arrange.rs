//! How the activations of a chain of dense layers are best arranged.

use super::dense::is_narrow;
use super::{Grid, Order};
use crate::simd::LANES;

/// The arrangement of inputs and of every layer's outputs, for layers of the given `widths` (inputs first, classes last):
/// the one by which few elements are transposed in a step. The last outputs are by feature, and widths that would not fill
/// registers are too.
pub fn arrange(widths: &[usize], batch: usize) -> Vec<Grid> {
    let last = widths.len() - 1;
    let mut order = vec![Order::ByFeature; widths.len()];
    for l in (1..last).rev() {
        let (width, next) = (widths[l], widths[l + 1]);
        // Transposed for the next layer: its weights for the gradient of these outputs, and these where it wants them by feature.
        let mut by_example = width * next;
        if order[l + 1] == Order::ByFeature {
            by_example += batch * width;
        }
        // Transposed: the gradient for this layer's weights, the inputs (once for a pair of lanes), and the outputs for the next
        // layer's weights.
        let mut by_feature = batch * width;
        if l == 1 {
            by_feature += batch * widths[0] / 2;
        }
        if is_narrow(width, next) {
            by_feature += batch * width;
        }
        if width.is_multiple_of(LANES) && by_example <= by_feature {
            order[l] = Order::ByExample;
        }
    }
    // Inputs come by example; a first layer by feature wants them transposed, but a narrow one transposes them back.
    if order[1] == Order::ByExample || is_narrow(widths[0], widths[1]) {
        order[0] = Order::ByExample;
    }
    widths.iter().zip(order).map(|(&features, order)| Grid { features, batch, order }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_that_fill_registers_are_taken_by_example_if_that_turns_less() {
        let orders = |widths: &[usize], batch| {
            arrange(widths, batch).iter().map(|g| g.is_by_example()).collect::<Vec<_>>()
        };
        assert_eq!(orders(&[64, 32, 10], 64), [true, true, false]);
        assert_eq!(orders(&[3072, 256, 256, 10], 128), [true, true, true, false]);
        assert_eq!(orders(&[64, 33, 10], 64), [false, false, false]);
        // Few examples: turning 512 × 512 weights is more than turning the activations.
        assert_eq!(orders(&[64, 512, 512, 10], 4), [false, false, false, false]);
        assert_eq!(orders(&[64, 10], 64), [true, false]);
    }
}
