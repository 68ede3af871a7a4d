/**
 * Provisioner that decides for each function where its workers run: images in Docker; code in Docker when the image
 * of its runtime is on this machine already, else as processes, so that nothing is fetched and nothing need be there.
 */
import { Context, Duration, Effect, Layer, PubSub, Stream } from "effect"
import type { FunctionConfig } from "../domain/FunctionConfig.ts"
import type { WorkerId } from "../domain/Worker.ts"
import { runtimes } from "../runtimes/runtimes.ts"
import { imageOf } from "./containerTemplate.ts"
import { DockerAdaptor } from "./DockerAdaptor.ts"
import { type Placement, Placements } from "./Placements.ts"
import { Provisioner, type WorkerDeath } from "./Provisioner.ts"

export interface AutoProvisionerOptions<E1, R1, E2, R2> {
  readonly docker: Layer.Layer<Provisioner, E1, R1>
  readonly process: Layer.Layer<Provisioner, E2, R2>
  /** As the Docker provisioner has them. */
  readonly baseImages?: ReadonlyMap<string, string>
}

/** An engine that takes longer to say whether it has an image is not one to start workers on. */
const askTimeout = Duration.seconds(5)

export const layer = <E1, R1, E2, R2>(
  options: AutoProvisionerOptions<E1, R1, E2, R2>
): Layer.Layer<Provisioner | Placements, E1 | E2, R1 | R2 | DockerAdaptor> =>
  Layer.effectContext(
    Effect.gen(function* () {
      const engine = yield* DockerAdaptor
      // Fresh, since both are the same service and neither is to be taken for the other.
      const docker = Context.get(yield* Layer.build(Layer.fresh(options.docker)), Provisioner)
      const process = Context.get(yield* Layer.build(Layer.fresh(options.process)), Provisioner)
      const deaths = yield* Effect.acquireRelease(PubSub.unbounded<WorkerDeath>(), PubSub.shutdown)
      for (const side of [docker, process]) {
        const subscription = yield* PubSub.subscribe(side.deaths)
        yield* Effect.forkScoped(
          Stream.runForEach(Stream.fromSubscription(subscription), (death) => PubSub.publish(deaths, death))
        )
      }

      const decide = (config: FunctionConfig): Effect.Effect<Placement> => {
        if (config.code._tag === "CodeImage") return Effect.succeed(imagesNeedDocker)
        const image = imageOf(config, runtimes.get(config.runtime ?? ""), options.baseImages ?? new Map())
        if (image === undefined) return Effect.succeed(processWithout(`no image is known for ${config.runtime}`))
        return engine.imageExists(image).pipe(
          Effect.map((there) => (there ? dockerWith(image) : processWithout(`Docker has no image ${image}`, image))),
          Effect.catch((error) => Effect.succeed(processWithout(error.message))),
          Effect.timeoutOrElse({
            duration: askTimeout,
            orElse: () => Effect.succeed(processWithout("the Docker engine does not answer"))
          })
        )
      }

      const decided = new Map<string, Placement>()
      const placement = Effect.fnUntraced(function* (config: FunctionConfig) {
        // A function whose code becomes another kind of thing is decided anew.
        const key = `${config.name} ${config.code._tag} ${config.runtime ?? ""}`
        const known = decided.get(key)
        if (known !== undefined) return known
        const answer = yield* decide(config)
        // Of two who asked at once, the first answer holds for both.
        const first = decided.get(key) ?? answer
        decided.set(key, first)
        return first
      })

      const ownerOf = (id: WorkerId) =>
        Effect.map(docker.list, (running) => (running.some((worker) => worker.id === id) ? docker : process))

      const provisioner = Provisioner.of({
        start: (config, gateway) =>
          Effect.flatMap(placement(config), ({ provisioner }) =>
            provisioner === "docker" ? docker.start(config, gateway) : process.start(config, gateway)
          ),
        // Stopping what one does not have does nothing.
        stop: (id) => Effect.all([docker.stop(id), process.stop(id)], { concurrency: 2, discard: true }),
        pause: (id) => Effect.flatMap(ownerOf(id), (owner) => owner.pause(id)),
        resume: (id) => Effect.flatMap(ownerOf(id), (owner) => owner.resume(id)),
        isAbandoned: (id) => Effect.flatMap(ownerOf(id), (owner) => owner.isAbandoned(id)),
        list: Effect.map(Effect.all([docker.list, process.list]), (lists) => lists.flat()),
        deaths
      })
      return Context.make(Provisioner, provisioner).pipe(Context.add(Placements, Placements.of({ placement })))
    })
  )

const imagesNeedDocker: Placement = {
  provisioner: "docker",
  why: "its code is a container image",
  howToChange: "give it a code folder and a runtime to run it as a process"
}

const dockerWith = (image: string): Placement => ({
  provisioner: "docker",
  why: `Docker has the image ${image}`,
  howToChange: "set IRORI_PROVISIONER=process"
})

const processWithout = (why: string, image?: string): Placement => ({
  provisioner: "process",
  why,
  howToChange:
    image === undefined ? "install and start Docker, then restart Irori" : `docker pull ${image}, then restart Irori`
})
