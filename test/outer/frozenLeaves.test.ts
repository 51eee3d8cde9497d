/** Which leaves are frozen: by patterns, and those that no step depends on. Sizes are those of theta-layouts.json. */
import test from 'ava'
import type { LearnedOptimizerConfig, OptimizerConfigInput } from '../../ts/config/optimizerConfig.js'
import { optimizerConfigSchema } from '../../ts/config/optimizerConfig.js'
import { frozenLeaves } from '../../ts/outer/frozenLeaves.js'

const learned = (config: OptimizerConfigInput) =>
  optimizerConfigSchema.parse(config) as LearnedOptimizerConfig
// Leaves: adafactor_decays 3, momentum_decays 3, nn/~/b0 4, b1 4, b2 2, w0 156, w1 16, w2 8, rms_decays 1.
const adafac = learned({ name: 'adafac_mlp' })
const names = (leaves: string[], dead = true) => frozenLeaves(adafac, { leaves, dead }).names

test('nothing is frozen by default where every leaf matters', (t) => {
  t.deepEqual(frozenLeaves(adafac, { leaves: [], dead: true }), { names: [], ranges: [] })
})

test('a name freezes its leaf, at its place in flat theta', (t) => {
  t.deepEqual(frozenLeaves(adafac, { leaves: ['rms_decays', 'nn/~/b1'], dead: true }), {
    names: ['nn/~/b1', 'rms_decays'],
    ranges: [
      { start: 10, end: 14 },
      { start: 196, end: 197 },
    ],
  })
})

test('a star stands for any text, also none', (t) => {
  t.deepEqual(names(['*_decays']), ['adafactor_decays', 'momentum_decays', 'rms_decays'])
  t.deepEqual(names(['nn/*']), ['nn/~/b0', 'nn/~/b1', 'nn/~/b2', 'nn/~/w0', 'nn/~/w1', 'nn/~/w2'])
  t.deepEqual(names(['nn/*b*', '*w0']), ['nn/~/b0', 'nn/~/b1', 'nn/~/b2', 'nn/~/w0'])
  t.deepEqual(names(['*rms_decays*']), ['rms_decays'])
  t.deepEqual(names(['m*m*s']), ['momentum_decays'])
  t.deepEqual(names(['nn*/~/b0']), ['nn/~/b0'])
  // The one tilde cannot stand for both.
  t.throws(() => names(['nn/~*~/b0']), { code: 'INVALID_OPTION' })
  // No dot of a regular expression.
  t.throws(() => names(['nn.~.b0']), { code: 'INVALID_OPTION' })
})

test('leaves that no step depends on are frozen unless the config says otherwise', (t) => {
  // One layer's result is discarded; and a bank of one network has nothing to mix.
  const velo = learned({ name: 'velo', buggedLossFeatures: false, buggedNextLstmState: false })
  const celo = learned({ name: 'celo', phase: 2 })
  const left = ['rnn_params/linear/b', 'rnn_params/linear/w']
  const controls = ['rnn_params/rnn_to_controls/b', 'rnn_params/rnn_to_controls/w']
  t.deepEqual(frozenLeaves(velo, { leaves: [], dead: true }).names, left)
  t.deepEqual(frozenLeaves(celo, { leaves: [], dead: true }).names, [...left, ...controls])
  t.deepEqual(frozenLeaves(celo, { leaves: [], dead: false }).names, [])
  t.deepEqual(frozenLeaves(celo, { leaves: ['rnn_params/linear/b'], dead: false }).names, left.slice(0, 1))
})

test('a pattern that names nothing is refused, with the names that there are', (t) => {
  t.throws(() => names(['nn/w0']), {
    code: 'INVALID_OPTION',
    message: /^expected `freeze.leaves` to name leaves of adafac_mlp \(adafactor_decays, .*\), got "nn\/w0"$/,
  })
  t.throws(() => names(['*']), {
    code: 'INVALID_OPTION',
    message: 'expected `freeze.leaves` to leave some of adafac_mlp to be trained, got ["*"]',
  })
})
