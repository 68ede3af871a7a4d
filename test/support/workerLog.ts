/** What workers print, as it arrives in the log. */
import { type Layer, Logger, References } from "effect"

export interface WorkerLine {
  readonly text: string
  readonly annotations: Readonly<Record<string, unknown>>
}

/** A layer that keeps the lines of `lambda` jobs in `lines`, and prints nothing. */
export const workerLog = () => {
  const lines: Array<WorkerLine> = []
  const logger = Logger.make(({ fiber, message }) => {
    const annotations = fiber.getRef(References.CurrentLogAnnotations)
    if (annotations.job !== "lambda") return
    lines.push({ text: String(Array.isArray(message) ? message[0] : message), annotations: { ...annotations } })
  })
  return { lines, layer: Logger.layer([logger]) satisfies Layer.Layer<never> }
}
