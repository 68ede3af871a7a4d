/** What SAM makes of `Globals`: the settings of a resource over those that all of its kind share. */

import { isRecord } from "../domain/json.ts"
import { callOf } from "./Intrinsics.ts"

/** The sections of `Globals`, by the type they are for. */
export const globalSections: Readonly<Record<string, string>> = {
  "AWS::Serverless::Function": "Function",
  "AWS::Serverless::Api": "Api",
  "AWS::Serverless::HttpApi": "HttpApi",
  "AWS::Serverless::LayerVersion": "LayerVersion",
  "AWS::Serverless::SimpleTable": "SimpleTable",
  "AWS::Serverless::StateMachine": "StateMachine"
}

/**
 * Records are merged, lists are put one after the other, and of everything else the resource's own counts; also where
 * the two are not of a kind. A function's call is no record.
 */
export const withGlobals = (shared: unknown, own: unknown): unknown => {
  if (own === undefined) return shared
  if (shared === undefined) return own
  if (Array.isArray(shared) && Array.isArray(own)) return [...shared, ...own]
  if (!isRecord(shared) || !isRecord(own)) return own
  if (callOf(shared) !== undefined || callOf(own) !== undefined) return own
  const keys = new Set([...Object.keys(shared), ...Object.keys(own)])
  return Object.fromEntries([...keys].map((key) => [key, withGlobals(shared[key], own[key])]))
}
