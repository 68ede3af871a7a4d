/** Every benchmark, in the order of the table. */
import type { Bench } from "./Bench.ts"
import { coldStart } from "./coldStart.ts"
import { events } from "./events.ts"
import { growth } from "./growth.ts"
import { halfLoad } from "./halfLoad.ts"
import { memory } from "./memory.ts"
import { overload } from "./overload.ts"
import { payload } from "./payload.ts"
import { peers } from "./peers/peers.ts"
import { pool } from "./pool.ts"
import { rie } from "./rie.ts"
import { routed } from "./routed.ts"
import { warm } from "./warm.ts"

export const benches: ReadonlyArray<Bench> = [
  warm,
  halfLoad,
  rie,
  routed,
  growth,
  payload,
  pool,
  coldStart,
  memory,
  events,
  overload,
  peers
]
