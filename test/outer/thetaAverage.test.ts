/** The moving average of theta: its formula by hand. */
import test from 'ava'
import { updateAverage } from '../../ts/outer/thetaAverage.js'

test('the average follows theta, quickly at first', (t) => {
  const average = Float32Array.of(0)
  updateAverage(average, Float32Array.of(1), 0.98, 1)
  t.true(Math.abs(average[0]! - (1 - 2 / 11)) < 1e-6)
  updateAverage(average, Float32Array.of(5), 0, 1000)
  t.is(average[0], 5)
})
