/** A YAML file with where in it things are, for messages that name a line and a column. What the file says is its reader's. */
import { type Document, isNode, LineCounter, parseDocument } from "yaml"

export type YamlPath = ReadonlyArray<PropertyKey>

export interface PlacedYaml {
  readonly content: unknown
  /** `functions.yml:12:3`: where the value at `path` begins, or the nearest one around it. */
  readonly place: (path: YamlPath) => string
}

export interface YamlOptions {
  /** Changes the document before its values are made. */
  readonly prepare?: (document: Document) => void
  /** Makes the content out of its values. What it throws is the one line. */
  readonly finish?: (content: unknown) => unknown
}

/** The content, or one line that says why it cannot be read. `fileName` is what a person is told. */
export const readPlacedYaml = (text: string, fileName: string, options: YamlOptions = {}): PlacedYaml | string => {
  const { finish = (content) => content, prepare } = options
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const at = (offset: number) => {
    const { col, line } = lines.linePos(offset)
    return `${fileName}:${line}:${col}`
  }
  const error = document.errors[0]
  if (error !== undefined) return `${at(error.pos[0])}: ${error.message}`
  prepare?.(document)
  try {
    return { content: finish(document.toJS() ?? {}), place: (path) => at(offsetOf(document, path)) }
  } catch (cause) {
    return `${fileName}: ${cause instanceof Error ? cause.message : String(cause)}`
  }
}

const offsetOf = (document: Document, path: YamlPath): number => {
  for (let length = path.length; length > 0; length--) {
    const node = document.hasIn(path.slice(0, length)) ? document.getIn(path.slice(0, length), true) : undefined
    if (isNode(node) && node.range) return node.range[0]
  }
  return document.contents?.range?.[0] ?? 0
}
