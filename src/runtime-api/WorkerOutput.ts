/**
 * What workers print, line by line, on its way from whoever reads their output to whoever wants to know: telemetry
 * subscriptions, the tail of an invocation's log. Keeps nothing: a line that nobody listens for is forgotten.
 */
import type { WorkerId } from "../domain/Worker.ts"

export interface OutputLine {
  readonly stream: "stdout" | "stderr"
  /** Without its line feed. */
  readonly text: string
  /** The file name of the extension that wrote it; absent for what the runtime and the function write. */
  readonly extension?: string
}

type Listener = (line: OutputLine) => void

export class WorkerOutput {
  readonly #listeners = new Map<WorkerId, ReadonlyArray<Listener>>()

  /** Hands a line to all who listen for this worker, in the order in which they came. */
  write(id: WorkerId, line: OutputLine): void {
    for (const listener of this.#listeners.get(id) ?? []) listener(line)
  }

  /** Until the function it returns is called, `listener` gets every line of this worker. The worker need not be there. */
  subscribe(id: WorkerId, listener: Listener): () => void {
    this.#listeners.set(id, [...(this.#listeners.get(id) ?? []), listener])
    return () => {
      const left = (this.#listeners.get(id) ?? []).filter((other) => other !== listener)
      if (left.length === 0) this.#listeners.delete(id)
      else this.#listeners.set(id, left)
    }
  }
}
