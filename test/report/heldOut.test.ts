/** The figure of held-out losses: which records it draws, and which of them it calls the best. */
import test from 'ava'
import { heldOutFigure } from '../../ts/report/heldOutFigure.js'
import { renderFigure } from '../../ts/report/render.js'

test('records without a measurement are left out, the least one is the best', async (t) => {
  const figure = heldOutFigure([
    { innerSteps: 1 },
    { innerSteps: 2, heldOutLoss: 0.5 },
    { innerSteps: 3, heldOutLoss: 0.41234 },
    { innerSteps: 4 },
    { innerSteps: 5, heldOutLoss: 0.43 },
    { innerSteps: 6, heldOutLoss: Number.NaN },
  ])!
  t.regex(figure.description, /best of 3 measurements is 0\.4123\.$/)
  const svg = await renderFigure(figure)
  t.false(/NaN|undefined|Infinity/.test(svg))
})

test('without measurements there is no figure', (t) => {
  t.is(heldOutFigure([{ innerSteps: 1 }, { innerSteps: 2 }]), undefined)
})
