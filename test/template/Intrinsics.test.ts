import { describe, expect, it } from "@effect/vitest"
import fc from "fast-check"
import { type Known, makeIntrinsics, unknowable, unknown, value } from "../../src/template/Intrinsics.ts"

const known: Readonly<Record<string, Known>> = {
  Stage: value("dev"),
  Zones: value(["a", "b"]),
  Count: value(3),
  Secret: unknowable("Secret is not known"),
  "AWS::Region": value("eu-west-1")
}

const conditions = {
  IsDev: { "Fn::Equals": [{ Ref: "Stage" }, "dev"] },
  IsProd: { "Fn::Not": [{ Condition: "IsDev" }] },
  Both: { "Fn::And": [{ Condition: "IsDev" }, { "Fn::Equals": [{ Ref: "Count" }, "3"] }] },
  Either: { "Fn::Or": [{ Condition: "IsProd" }, { Condition: "Both" }] },
  Circle: { "Fn::Not": [{ Condition: "Circle" }] },
  OfSecret: { "Fn::Equals": [{ Ref: "Secret" }, { Ref: "Secret" }] }
}

/** What a value comes to, and what is said on the way. */
const evaluate = (given: unknown) => {
  const warned: Array<string> = []
  const refused: Array<string> = []
  const { resolve } = makeIntrinsics({
    ref: (name) => known[name] ?? unknown,
    attribute: (resource, attribute) => (resource === "Table" ? value(`${attribute} of it`) : unknown),
    mappings: { Sizes: { dev: { Memory: 128, Names: ["x", "y"] } } },
    conditions,
    region: "eu-west-1"
  })
  const result = resolve(given, [], {
    warn: (_, detail) => void warned.push(detail),
    refuse: (_, detail) => void refused.push(detail)
  })
  return { result, warned, refused }
}

// biome-ignore-start lint/suspicious/noTemplateCurlyInString: this is how CloudFormation writes references.
describe("Intrinsics", () => {
  it.each([
    ["Ref", { Ref: "Stage" }, "dev"],
    ["Ref to a list", { Ref: "Zones" }, ["a", "b"]],
    ["Fn::GetAtt", { "Fn::GetAtt": ["Table", "Arn"] }, "Arn of it"],
    ["Fn::GetAtt as a text, of a nested attribute", { "Fn::GetAtt": "Table.Stream.Arn" }, "Stream.Arn of it"],
    ["Fn::Sub", { "Fn::Sub": "a-${Stage}-${ AWS::Region }-${Table.Arn}-${Count}" }, "a-dev-eu-west-1-Arn of it-3"],
    ["Fn::Sub with values", { "Fn::Sub": ["${X}/${Stage}", { X: { Ref: "Count" }, Stage: "own" }] }, "3/own"],
    ["a literal in Fn::Sub", { "Fn::Sub": "${!Stage} $Stage $" }, "${Stage} $Stage $"],
    ["Fn::Join", { "Fn::Join": ["-", ["a", { Ref: "Stage" }, { Ref: "Count" }]] }, "a-dev-3"],
    ["Fn::Join of a list by name", { "Fn::Join": [",", { Ref: "Zones" }] }, "a,b"],
    [
      "Fn::Join without what is left out",
      { "Fn::Join": ["-", ["a", { "Fn::If": ["IsProd", "b", { Ref: "AWS::NoValue" }] }, "c"]] },
      "a-c"
    ],
    ["Fn::Split", { "Fn::Split": ["-", "a-b--c"] }, ["a", "b", "", "c"]],
    ["Fn::Select", { "Fn::Select": ["1", { "Fn::Split": [".", "a.b.c"] }] }, "b"],
    ["Fn::FindInMap", { "Fn::FindInMap": ["Sizes", { Ref: "Stage" }, "Memory"] }, 128],
    ["Fn::FindInMap with a default", { "Fn::FindInMap": ["Sizes", "x", "y", { DefaultValue: { Ref: "Count" } }] }, 3],
    ["Fn::If", { "Fn::If": ["IsDev", { Ref: "Stage" }, "no"] }, "dev"],
    ["Fn::If, negated", { "Fn::If": ["IsProd", "yes", "no"] }, "no"],
    ["Fn::And", { "Fn::If": ["Both", "yes", "no"] }, "yes"],
    ["Fn::Or", { "Fn::If": ["Either", "yes", "no"] }, "yes"],
    ["Fn::Base64", { "Fn::Base64": { "Fn::Sub": "${Stage}!" } }, "ZGV2IQ=="],
    ["Fn::GetAZs", { "Fn::Select": [0, { "Fn::GetAZs": "" }] }, "eu-west-1a"],
    ["Fn::Length", { "Fn::Length": { Ref: "Zones" } }, 2],
    ["Fn::ToJsonString", { "Fn::ToJsonString": { a: { Ref: "Stage" } } }, '{"a":"dev"}'],
    ["AWS::NoValue", { a: { Ref: "AWS::NoValue" }, b: [1, { Ref: "AWS::NoValue" }] }, { b: [1] }],
    ["a record that only looks like a call", { Ref: "Stage", Other: 1 }, { Ref: "Stage", Other: 1 }],
    [
      "a Condition that is a policy's own",
      { Condition: { StringEquals: { a: "b" } } },
      { Condition: { StringEquals: { a: "b" } } }
    ]
  ])("resolves %s", (_, given, expected) => {
    expect(evaluate(given)).toEqual({ result: expected, warned: [], refused: [] })
  })

  it("leaves out what cannot be known, and every text with it in it, and says so", () => {
    const given = {
      own: { Ref: "Secret" },
      joined: { "Fn::Join": ["-", ["a", { Ref: "Secret" }]] },
      substituted: { "Fn::Sub": "x-${Secret}" },
      split: { "Fn::Select": [0, { "Fn::Split": ["-", { Ref: "Secret" }] }] },
      imported: { "Fn::ImportValue": "network-VpcId" },
      referred: "{{resolve:ssm:/db/password}}",
      listed: ["a", { Ref: "Secret" }],
      kept: 1
    }
    const { refused, result, warned } = evaluate(given)
    expect(result).toEqual({ listed: ["a"], kept: 1 })
    expect(refused).toEqual([])
    expect(new Set(warned)).toEqual(
      new Set([
        "Secret is not known",
        "Fn::ImportValue: what other stacks export is not known here; left out",
        "{{resolve:ssm:/db/password}} cannot be looked up here; left out"
      ])
    )
  })

  it("does not take two things that cannot be known for equal", () => {
    expect(evaluate({ "Fn::If": ["OfSecret", "yes", "no"] }).result).toBe("no")
  })

  it.each([
    ["a name that is not there", { Ref: "Nobody" }, "there is no Nobody in the template"],
    [
      "an attribute of nobody",
      { "Fn::GetAtt": ["Nobody", "Arn"] },
      "there is no Nobody with an attribute Arn in the template"
    ],
    ["an index past the end", { "Fn::Select": [2, ["a", "b"]] }, "Fn::Select expects an index below 2, not 2"],
    [
      "a mapping that is not there",
      { "Fn::FindInMap": ["Sizes", "prod", "Memory"] },
      "Fn::FindInMap: the mappings have no Sizes.prod.Memory"
    ],
    ["a condition that is not there", { "Fn::If": ["Nothing", 1, 2] }, "there is no condition Nothing"],
    ["a condition in a circle", { "Fn::If": ["Circle", 1, 2] }, "the condition Circle depends on itself"],
    ["Fn::Join without a list", { "Fn::Join": ["-", "a"] }, "Fn::Join expects a delimiter and a list"]
  ])("refuses %s", (_, given, detail) => {
    expect(evaluate(given).refused).toEqual([detail])
  })

  const text = fc.string().filter((one) => !one.includes("${") && !one.endsWith("$"))

  it("Fn::Sub of any parts is their concatenation", () => {
    fc.assert(
      fc.property(fc.array(fc.tuple(text, text)), (parts) => {
        const values = Object.fromEntries(parts.map(([, own], index) => [`V${index}`, own]))
        const template = parts.map(([literal], index) => `${literal}\${V${index}}`).join("")
        const { result } = evaluate({ "Fn::Sub": [template, values] })
        expect(result).toBe(parts.map(([literal, own]) => literal + own).join(""))
      })
    )
  })

  it("a value with ${} in it is not looked into again", () => {
    fc.assert(
      fc.property(fc.string(), (own) => {
        expect(
          evaluate({ "Fn::Sub": ["<${V}>", { V: { "Fn::Sub": ["${W}", { W: `${own}\${Stage}` }] } }] }).result
        ).toBe(`<${own}\${Stage}>`)
      })
    )
  })

  it("Fn::Split undoes Fn::Join of texts without the delimiter", () => {
    fc.assert(
      fc.property(
        fc.array(
          fc.string().filter((one) => !one.includes("|")),
          { minLength: 1 }
        ),
        (texts) => {
          // A dynamic reference would be looked up.
          fc.pre(!texts.some((one) => one.includes("{{resolve:")))
          expect(evaluate({ "Fn::Split": ["|", { "Fn::Join": ["|", texts] }] }).result).toEqual(texts)
        }
      )
    )
  })
})
// biome-ignore-end lint/suspicious/noTemplateCurlyInString: as above.
