/**
 * Reads the text of a template, YAML or JSON, into plain values: a function in short form, `!Sub …`, becomes its long
 * form, `{"Fn::Sub": …}`. Knows where in the file a value stands; what it means is for others to know.
 */
import {
  type CollectionTag,
  type Document,
  isNode,
  isScalar,
  LineCounter,
  Pair,
  parseDocument,
  Scalar,
  type ScalarTag,
  type Tags,
  visit,
  YAMLMap,
  type YAMLSeq
} from "yaml"
import { isRecord } from "../domain/json.ts"

export type Path = ReadonlyArray<string | number>

export interface ParsedTemplate {
  readonly content: Readonly<Record<string, unknown>>
  /** `template.yaml:12`: where the value at `path` begins, or the nearest one around it. */
  readonly place: (path: Path) => string
}

/** The content, or one line that says why it cannot be read. `fileName` is what a person is told. */
export const parseTemplate = (text: string, fileName: string): ParsedTemplate | string => {
  const lines = new LineCounter()
  const document = parseDocument(text, { customTags, lineCounter: lines, merge: true, prettyErrors: false })
  const at = (offset: number) => `${fileName}:${lines.linePos(offset).line}`
  const error = document.errors[0]
  if (error !== undefined) return `${at(error.pos[0])}: ${error.message}`
  keepNumbersAsWritten(document)
  let content: unknown
  try {
    content = document.toJS() ?? {}
  } catch (cause) {
    return `${fileName}: ${cause instanceof Error ? cause.message : String(cause)}`
  }
  if (!isRecord(content)) return `${at(0)}: Expected the sections of a template, such as 'Resources'`
  return { content, place: (path) => at(offsetOf(document, path)) }
}

/** What has a short form. `Condition` and `Ref` are no `Fn::`. */
const shortForms = [
  ...["And", "Base64", "Cidr", "Equals", "FindInMap", "ForEach", "GetAZs", "GetAtt", "If", "ImportValue", "Join"],
  ...["Length", "Not", "Or", "Select", "Split", "Sub", "ToJsonString", "Transform"]
]

const longForm = (name: string): string => (name === "Ref" || name === "Condition" ? name : `Fn::${name}`)

const customTags: Tags = ["Ref", "Condition", ...shortForms].flatMap((name): Array<ScalarTag | CollectionTag> => {
  const key = longForm(name)
  const around = (node: YAMLMap | YAMLSeq) => {
    const map = new YAMLMap()
    map.items.push(new Pair(new Scalar(key), node))
    return map
  }
  return [
    {
      tag: `!${name}`,
      resolve: (text: string) => {
        // `!GetAtt Table.Stream.Arn`: the first dot is the one between them.
        const [, resource, attribute] = /^([^.]+)\.(.+)$/.exec(text) ?? []
        return new Scalar({ [key]: name === "GetAtt" && resource !== undefined ? [resource, attribute] : text })
      }
    },
    { tag: `!${name}`, collection: "map", resolve: (node) => around(node as YAMLMap) },
    { tag: `!${name}`, collection: "seq", resolve: (node) => around(node as YAMLSeq) }
  ]
})

/** `VERSION: 1.10` is not to become `1.1`, nor an account's number lose its zeros: what needs a number can read one. */
const keepNumbersAsWritten = (document: Document): void => {
  visit(document, {
    Scalar: (_, node) => {
      if (typeof node.value !== "number" || node.source === undefined) return
      if (String(node.value) !== node.source) node.value = node.source
    }
  })
}

const offsetOf = (document: Document, path: Path): number => {
  for (let length = path.length; length > 0; length--) {
    const within = path.slice(0, length)
    const node = document.hasIn(within) ? document.getIn(within, true) : undefined
    if (!isNode(node) || !node.range) continue
    // A section begins at its name.
    return keyOffset(document, within) ?? node.range[0]
  }
  return document.contents?.range?.[0] ?? 0
}

const keyOffset = (document: Document, path: Path): number | undefined => {
  const above = path.length === 1 ? document.contents : document.getIn(path.slice(0, -1), true)
  if (!(above instanceof YAMLMap)) return undefined
  const pair = above.items.find(({ key }) => (isScalar(key) ? key.value : key) === path.at(-1))
  return isScalar(pair?.key) ? pair.key.range?.[0] : undefined
}
