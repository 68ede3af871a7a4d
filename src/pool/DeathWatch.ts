/** Has the pools forget a worker the moment it dies, where the machine it ran on is this one. */
import { Effect, Layer, PubSub, Stream } from "effect"
import { Provisioner } from "../provision/Provisioner.ts"
import { PoolManager } from "./PoolManager.ts"

export const layer = Layer.effectDiscard(
  Effect.gen(function* () {
    const { deaths } = yield* Provisioner
    const pools = yield* PoolManager
    // Subscribed before the first worker starts, so that no death is missed.
    const subscription = yield* PubSub.subscribe(deaths)
    yield* Stream.fromSubscription(subscription).pipe(
      Stream.runForEach(({ id }) => pools.forget([id])),
      Effect.forkScoped
    )
  })
)
