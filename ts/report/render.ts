/** Renders vega-lite specs to SVG text without a browser or a canvas. */
import { Error as LogErrors, logger, parse, View } from 'vega'
import { compile, type TopLevelSpec } from 'vega-lite'
import { printable } from '../printable.js'
import { escapeHtml } from './escape.js'
import { withTextWidths } from './textWidth.js'
import { figureConfig } from './theme.js'

/** A figure before it is drawn. */
export interface Figure {
  /** Name of its file without `.svg`, also the prefix of the ids inside. */
  name: string
  /** Read out as the name of the image. */
  title: string
  /** What the figure shows, in words, for those who do not see it. */
  description: string
  spec: TopLevelSpec
}

/** Renders a figure to a standalone SVG with a title and a description for screen readers. */
export async function renderFigure({ name, title, description, spec }: Figure): Promise<string> {
  const log = logger(LogErrors)
  const compiled = compile(spec, { config: figureConfig, logger: log })
  const view = new View(parse(compiled.spec), { renderer: 'none', logger: log })
  try {
    const svg = shortNumbers(await withTextWidths(() => view.toSVG()))
    // Names in the data may have characters that XML forbids.
    return printable(label(svg, name, title, description))
  } finally {
    view.finalize()
  }
}

/** Two decimals of a pixel are enough, and a third of the bytes. */
function shortNumbers(svg: string): string {
  return svg.replace(/ (?:d|transform)="[^"]*"/g, (attribute) => attribute.replace(/(\.\d\d)\d+/g, '$1'))
}

/** Names the image, and makes its ids the figure's own: several share a page, and vega counts on from figure to figure. */
function label(svg: string, name: string, title: string, description: string): string {
  const ids = [...svg.matchAll(/ id="([^"]*)"/g)].map((match) => match[1]!)
  const renamed = (id: string) => `${name}-${ids.indexOf(id)}`
  const prefixed = svg
    .replace(/ id="([^"]*)"/g, (_, id: string) => ` id="${renamed(id)}"`)
    .replace(/url\(#([^)]*)\)/g, (_, id: string) => `url(#${renamed(id)})`)
  const heading = `<title id="${name}-title">${escapeHtml(title)}</title><desc id="${name}-desc">${escapeHtml(description)}</desc>`
  return prefixed
    .replace('<svg ', `<svg role="img" aria-labelledby="${name}-title ${name}-desc" `)
    .replace(/<svg[^>]*>/, (tag) => tag + heading)
}
