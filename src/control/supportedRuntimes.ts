/** Which runtimes a function may have, and what Lambda says to those that it may not. */
import { InvalidParameterValue } from "./refusals.ts"

/** In the order of the API's model. */
const supported = [
  ...["nodejs20.x", "nodejs22.x", "nodejs24.x"],
  ...["java8.al2", "java11", "java17", "java21", "java25"],
  ...["python3.10", "python3.11", "python3.12", "python3.13", "python3.14"],
  ...["dotnet8", "dotnet10"],
  ...["ruby3.2", "ruby3.3", "ruby3.4"],
  ...["provided.al2", "provided.al2023"]
]

const retired = new Set([
  ...["nodejs", "nodejs4.3", "nodejs4.3-edge", "nodejs6.10", "nodejs8.10", "nodejs10.x", "nodejs12.x", "nodejs14.x"],
  ...["nodejs16.x", "nodejs18.x", "java8", "python2.7", "python3.6", "python3.7", "python3.8", "python3.9"],
  ...["dotnetcore1.0", "dotnetcore2.0", "dotnetcore2.1", "dotnetcore3.1", "dotnet6", "go1.x", "ruby2.5", "ruby2.7"],
  "provided"
])

/** Undefined for a runtime that a function may have. */
export const refuseRuntime = (runtime: string): InvalidParameterValue | undefined => {
  if (supported.includes(runtime)) return undefined
  if (retired.has(runtime)) {
    return new InvalidParameterValue({
      detail: `The runtime parameter of ${runtime} is no longer supported for creating or updating AWS Lambda functions. We recommend you use a supported runtime while creating or updating functions.`
    })
  }
  return new InvalidParameterValue({
    detail: `Value ${runtime} at 'runtime' failed to satisfy constraint: Member must satisfy enum value set: [${inJavaOrder(supported).join(", ")}] or be a valid ARN`
  })
}

/** As a `java.util.HashSet` lists what was added to it in this order: by bucket, and within one by age. */
export const inJavaOrder = (names: ReadonlyArray<string>): ReadonlyArray<string> => {
  let buckets = 16
  while (buckets < names.length / 0.75 + 1) buckets *= 2
  const bucketOf = (name: string) => {
    const hash = javaHash(name)
    return (hash ^ (hash >>> 16)) & (buckets - 1)
  }
  return [...names].sort((a, b) => bucketOf(a) - bucketOf(b))
}

/** `String.hashCode()` */
const javaHash = (text: string): number => {
  let hash = 0
  for (let index = 0; index < text.length; index++) hash = (Math.imul(hash, 31) + text.charCodeAt(index)) | 0
  return hash
}

const snapStartRuntimes = /^(java(1[1-9]|[2-9]\d)|python3\.1[2-9]|dotnet([89]|\d\d))/

/** Undefined where a function of this runtime may have snapshots. */
export const refuseSnapStart = (runtime: string | undefined): InvalidParameterValue | undefined =>
  runtime === undefined || snapStartRuntimes.test(runtime)
    ? undefined
    : new InvalidParameterValue({ detail: `${runtime} is not supported for SnapStart enabled functions.` })
