/** The rows that have a bar, as an SVG: how far each is from its limit, on a logarithmic scale, with its spread. */
import { outcomeOf, type Row, type Skipped } from "./Bench.ts"
import { barOf } from "./report.ts"

const [rowHeight, labelWidth, plotWidth, margin] = [22, 470, 420, 24]

/** A share of the limit: above 1 is better than it, whichever way the bar points. */
const shareOf = (bar: NonNullable<Row["bar"]>, value: number): number =>
  "least" in bar ? value / bar.least : bar.most / value

/** From an eighth of the limit to eight times. What lies beyond is drawn at the edge. */
const x = (share: number): number => {
  const at = (Math.log2(share) + 3) / 6
  return labelWidth + Math.max(0, Math.min(1, Number.isFinite(at) ? at : 0)) * plotWidth
}

const escaped = (text: string): string => text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;")

const mark = (row: Row & { readonly bar: NonNullable<Row["bar"]> }, index: number): string => {
  const y = margin + index * rowHeight + rowHeight / 2
  const { isMet, least, most, value } = outcomeOf(row)
  const colour = isMet === true ? "#2a7d4f" : "#b3261e"
  const [from, to] = [x(shareOf(row.bar, least)), x(shareOf(row.bar, most))]
  const value2 = Math.abs(value) >= 100 ? value.toFixed(0) : value.toFixed(2)
  return `<text x="${labelWidth - 10}" y="${y + 4}" text-anchor="end">${escaped(row.what)}</text>
<line x1="${from.toFixed(1)}" x2="${to.toFixed(1)}" y1="${y}" y2="${y}" stroke="${colour}" stroke-width="2" opacity="0.5"/>
<circle cx="${x(shareOf(row.bar, value)).toFixed(1)}" cy="${y}" r="4.5" fill="${colour}"/>
<text x="${labelWidth + plotWidth + 10}" y="${y + 4}">${escaped(`${value2} (${barOf(row)})`)}</text>`
}

export const plot = (rows: ReadonlyArray<Row | Skipped>): string => {
  const barred = rows.flatMap((row) => ("skipped" in row || row.bar === undefined ? [] : [{ ...row, bar: row.bar }]))
  const height = 2 * margin + barred.length * rowHeight
  const width = labelWidth + plotWidth + 170
  const ticks = [1 / 8, 1 / 4, 1 / 2, 1, 2, 4, 8].map((share) => {
    const at = x(share).toFixed(1)
    const name = share < 1 ? `1/${1 / share}` : String(share)
    return `<line x1="${at}" x2="${at}" y1="${margin}" y2="${height - margin}" stroke="${share === 1 ? "#444" : "#ddd"}"/>
<text x="${at}" y="${height - 8}" text-anchor="middle" fill="#666">${name}</text>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="12">
<rect width="100%" height="100%" fill="white"/>
<text x="${labelWidth}" y="14" fill="#666">worse ← limit = 1 → better</text>
${[...ticks, ...barred.map(mark)].join("\n")}
</svg>
`
}
