/**
 * What it costs to find a route among 10, 100, 1,000 and 10,000, in turns in one run: the cost of one look-up, of routes
 * with literal segments, parameters and greedy ones alike. `bun bench/routes.ts [rounds]`
 */
import process from "node:process"
import { Duration } from "effect"
import type { Api, Route } from "../src/domain/Route.ts"
import { ApiIndex } from "../src/routing/ApiIndex.ts"
import { median } from "./Bench.ts"

const rounds = Number(process.argv[2] ?? 150)
const lookUps = 3000
const sizes = [10, 100, 1000, 10_000]
/** Of the look-up among the fewest routes, more than this is not flat. */
const most = 1.15

/** Names of one length, so that only the number of routes differs. */
const name = (number: number) => `part-${String(number).padStart(6, "0")}`

const paths = (number: number) => [
  `/api/${name(number)}`,
  `/api/${name(number)}/{id}`,
  `/api/${name(number)}/{id}/items/{item-id}`,
  `/api/${name(number)}/files/{path+}`,
  `/${name(number)}/{id}/state`
]

const api = (size: number): Api => ({
  id: "bench",
  kind: "http",
  stage: "$default",
  mounts: ["root"],
  routes: Array.from({ length: size / 5 }, (_, number) => paths(number))
    .flat()
    .map((path): Route => ({ method: "GET", path, functionName: "f", payloadFormat: "2.0" })),
  binaryMediaTypes: [],
  authorizers: {},
  timeout: Duration.seconds(30),
  isLenient: false
})

/**
 * The same number of different requests whatever the number of routes, since what is asked for more often is nearer to
 * the processor: of the first of the functions, and of the last.
 */
const requestsOf = (size: number) =>
  [0, size / 5 - 1].flatMap((number) => [
    `/api/${name(number)}`,
    `/api/${name(number)}/1234`,
    `/api/${name(number)}/1234/items/5678`,
    `/api/${name(number)}/files/a/b/c.txt`,
    `/${name(number)}/1234/state`,
    `/api/${name(number)}/1234/unknown`
  ])

const subjects = sizes.map((size) => ({
  size,
  index: new ApiIndex([api(size)]),
  requests: requestsOf(size),
  micros: [] as Array<number>
}))

const measure = ({ index, requests }: (typeof subjects)[number], times: number): number => {
  const started = performance.now()
  for (let time = 0; time < times; time++) index.match(undefined, "GET", requests[time % requests.length]!)
  return ((performance.now() - started) * 1000) / times
}

for (const subject of subjects) measure(subject, lookUps)
for (let round = 0; round < rounds; round++) {
  for (const subject of subjects) subject.micros.push(measure(subject, lookUps))
}

/** Of the quietest third: what else the machine does only ever adds. */
const quiet = (micros: ReadonlyArray<number>) =>
  median([...micros].sort((a, b) => a - b).slice(0, Math.ceil(micros.length / 3)))

const [base = Number.NaN] = subjects.map(({ micros }) => quiet(micros))
console.log(`
| routes | µs a look-up, median of the quietest third of ${rounds} (least, most) | to ${sizes[0]} routes |
| --- | --- | --- |`)
for (const { micros, size } of subjects) {
  const range = `${Math.min(...micros).toFixed(2)}–${Math.max(...micros).toFixed(2)}`
  console.log(`| ${size} | ${quiet(micros).toFixed(2)} (${range}) | ${(quiet(micros) / base).toFixed(2)} |`)
}

const isFlat = subjects.every(({ micros }) => quiet(micros) <= base * most)
console.log(isFlat ? `\nFlat within ${Math.round((most - 1) * 100)} %.` : "\nNot flat.")
process.exit(isFlat ? 0 : 1)
