/** The report's style sheet: readable on paper and on screens, in light and dark, without any file beside it. */
import { darkPalette, palette } from './theme.js'

/** Paints the figures' colours anew for a dark page; attributes in an SVG yield to a style sheet. */
function darkFigures(): string {
  return (Object.keys(palette) as (keyof typeof palette)[])
    .flatMap((name) =>
      ['fill', 'stroke'].map(
        (property) => `figure [${property}="${palette[name]}"] { ${property}: ${darkPalette[name]} }`,
      ),
    )
    .concat('figure [stroke="white"] { stroke: #0d1117 }')
    .join('\n')
}

/** CSS of report.html. */
export const styleSheet = `
:root { color-scheme: light dark; --ink: #24292f; --muted: #57606a; --line: #d0d7de; --page: #fff; --mark: #fff4ec }
body { margin: 2.5rem auto; max-width: 74rem; padding: 0 1.25rem; background: var(--page); color: var(--ink);
  font: 15px/1.55 Helvetica, Arial, "Liberation Sans", sans-serif }
h1 { font-size: 1.6rem; margin: 0 0 .3rem }
h2 { font-size: 1.15rem; margin: 2.4rem 0 .6rem }
p { max-width: 46rem }
.scroll, figure { overflow-x: auto }
figure { margin: 1.5rem 0 }
figure svg { max-width: 100%; height: auto }
ul.note { padding-left: 1.1rem }
figcaption, .note { color: var(--muted); font-size: .87rem; max-width: 46rem }
table { border-collapse: collapse; font-size: .8rem; font-variant-numeric: tabular-nums; margin: .6rem 0 }
caption { text-align: left; font-weight: 600; padding: .3rem 0 }
th, td { padding: .22rem .45rem; text-align: right; white-space: nowrap }
thead tr:last-child th { border-bottom: 1px solid var(--ink) }
thead th { font-weight: 600 }
th[colspan] { text-align: center; color: var(--muted); font-weight: normal }
thead th:first-child { text-align: left }
tbody th { text-align: left; font-weight: normal }
tbody tr + tr > * { border-top: 1px solid var(--line) }
tr.learned > * { background: var(--mark); font-weight: 600 }
pre { overflow-x: auto; padding: .8rem 1rem; border: 1px solid var(--line); border-radius: 4px; font-size: .78rem; line-height: 1.4 }
summary { cursor: pointer }
@media (prefers-color-scheme: dark) {
:root { --ink: #e6edf3; --muted: #9aa4af; --line: #30363d; --page: #0d1117; --mark: #2b1d13 }
${darkFigures()}
}
@media print { body { margin: 0; max-width: none } details { display: none } }
`
