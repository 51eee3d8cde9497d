/**
 * Floating-point operations of one inner step, for rooflines.
 *
 * What counts: multiply-adds (two operations each) of matrix products that the engine carries out: the task's dense
 * layers, forward and backward, and the learned optimizer's networks after everything that is constant over a tensor,
 * row or column has been folded into biases. Element-wise work (activations, features, accumulators, Adam itself)
 * does not count, so a fraction of the roofline is a lower bound of how busy the arithmetic units are.
 */
import type { OptimizerConfig } from '../ts/config/optimizerConfig.js'

/** Widths of an MLP, inputs first, classes last. */
export type Widths = readonly number[]

/** Operations of loss and gradient: forward, weight gradients, and input gradients of all layers but the first. */
export function taskOperations(widths: Widths, batchSize: number): number {
  let multiplyAdds = 0
  for (let i = 1; i < widths.length; i++) {
    const products = i === 1 ? 2 : 3
    multiplyAdds += products * batchSize * widths[i - 1]! * widths[i]!
  }
  return 2 * multiplyAdds
}

/** Operations of the optimizer's networks over all parameters of the MLP. */
export function optimizerOperations(optimizer: OptimizerConfig, widths: Widths): number {
  const numTensors = 2 * (widths.length - 1)
  let [numWeights, numBiases] = [0, 0]
  for (let i = 1; i < widths.length; i++) {
    numWeights += widths[i - 1]! * widths[i]!
    numBiases += widths[i]!
  }
  // A hand-designed one has no network.
  if ('lr' in optimizer) return 0
  switch (optimizer.name) {
    case 'mlp_lopt': {
      const { hidden } = optimizer
      return 2 * (numWeights + numBiases) * (8 * hidden + hidden * hidden + 2 * hidden)
    }
    case 'celo2': {
      // lopt/celo2_bound.rs, channels: 18 where a tensor is factored, 15 else; one output without expMult.
      const outputs = optimizer.expMult === 0 ? 1 : 2
      const network = (channels: number) => channels * 8 + 8 * 8 + outputs * 8
      const biases = optimizer.adamPattern === null ? numBiases * network(15) : 0
      let products = 0
      for (let i = 1; optimizer.orthogonalize && i < widths.length; i++) {
        const [m, n] = [Math.min(widths[i - 1]!, widths[i]!), Math.max(widths[i - 1]!, widths[i]!)]
        products += 5 * (2 * m * m * n + m * m * m)
      }
      return 2 * (numWeights * network(18) + biases + products)
    }
    case 'adafac_mlp': {
      // Channels that differ from element to element: lopt/adafac_features.rs, CHANNELS and CHANNELS_DIAGONAL.
      const { hidden } = optimizer
      const network = (channels: number) => channels * hidden + hidden * hidden + 2 * hidden
      return 2 * (numWeights * network(16) + numBiases * network(22))
    }
    case 'hierarchical': {
      // lopt/hierarchical_features.rs, MAX_CHANNELS: the last is the old parameters of variant paper.
      const { hidden, variant, fromLstm, fromMlp, lstmHidden } = optimizer
      const channels = variant === 'library' ? 23 : 24
      const network = channels * hidden + hidden * hidden + 2 * hidden
      const lstm = (fromLstm + fromMlp + 18 + lstmHidden) * 4 * lstmHidden
      return 2 * ((numWeights + numBiases) * network + numTensors * lstm)
    }
    case 'learnable_sgd':
    case 'learnable_sgdm':
    case 'learnable_adam':
      return 0
    case 'adafac_nominal': {
      // As adafac_mlp; four outputs where the last two have an effect.
      const { hidden, nominalLr, weightDecay } = optimizer
      const outputs = nominalLr > 0 || weightDecay > 0 ? 4 : 2
      const network = (channels: number) => channels * hidden + hidden * hidden + outputs * hidden
      return 2 * (numWeights * network(16) + numBiases * network(22))
    }
    case 'nn_adam': {
      const { lstmHidden } = optimizer
      return 2 * numTensors * ((19 + lstmHidden) * 4 * lstmHidden + 4 * lstmHidden)
    }
    case 'l2l_gru':
    case 'l2l_lstm': {
      const { hidden } = optimizer
      const columns = (optimizer.name === 'l2l_gru' ? 3 : 4) * hidden
      return 2 * (numWeights + numBiases) * ((2 + hidden + 2 * hidden) * columns + hidden)
    }
    case 'param_lstm': {
      const { hidden } = optimizer
      return 2 * (numWeights + numBiases) * ((2 + hidden) * 4 * hidden + 2 * hidden)
    }
    case 'rms_mlp': {
      const { hidden } = optimizer
      return 2 * (numWeights + numBiases) * (23 * hidden + hidden * hidden + 2 * hidden)
    }
    case 'velo':
    case 'celo': {
      // lopt/velo_features.rs: 18 channels where a tensor is factored, 24 else. Celo has one row, and mixes only a bank.
      const { lstmHidden, paramInits } = optimizer
      const [rows, inputs] = optimizer.name === 'velo' ? [numTensors, 30] : [1, 18]
      const network = (channels: number) => channels * 4 + 4 * 4 + 2 * 4
      const mixture = optimizer.name === 'velo' || paramInits > 1 ? (lstmHidden + 159) * paramInits : 0
      const lstm = hyperLstm(inputs, lstmHidden)
      return 2 * (numWeights * network(18) + numBiases * network(24) + rows * (lstm + mixture))
    }
    case 'celo_adam':
      return 2 * hyperLstm(18, optimizer.lstmHidden)
    default:
      // Hand-designed optimizers are element-wise but for orthogonalisation, which is not counted.
      return 0
  }
}

/** Multiply-adds of one row of lopt/hyper_lstm.rs. */
function hyperLstm(inputs: number, hidden: number): number {
  return 2 * inputs * hidden + 2 * hidden * 4 * hidden + hidden
}
