/**
 * Text widths for figures drawn without a canvas. Vega then takes 0.8 em a character, half as much again as a sans-serif
 * face needs, and leaves gaps beside every label; here it is the mean width of English text in Helvetica.
 */
import * as vega from 'vega'

/** Mean advance of a character, in em: letters and digits .52 to .56, a little more for wider fallback faces. */
const MEAN_ADVANCE = 0.57

/** The part of vega's text measuring that its typings leave out. */
interface TextMetrics {
  width: (item: { fontSize?: number }, text: unknown) => number
}

/** The figures asked for so far: one is drawn at a time, because vega has one text measure for all. */
let queue: Promise<unknown> = Promise.resolve()

/** Runs `draw` with these widths after all earlier ones, and puts vega's own back after it. */
export function withTextWidths<T>(draw: () => Promise<T>): Promise<T> {
  const drawn = queue.then(() => drawNow(draw))
  queue = drawn.catch(() => undefined)
  return drawn
}

async function drawNow<T>(draw: () => Promise<T>): Promise<T> {
  const { textMetrics } = vega as unknown as { textMetrics: TextMetrics }
  const { width } = textMetrics
  textMetrics.width = (item, text) => String(text ?? '').length * (item.fontSize ?? 11) * MEAN_ADVANCE
  try {
    return await draw()
  } finally {
    textMetrics.width = width
  }
}
