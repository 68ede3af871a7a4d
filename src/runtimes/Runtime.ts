/** What a Lambda runtime is to this platform: an image to run it in, or a program of this machine. */

/** Where a worker that is a process has what a container has in `/var/task` and `/opt`. */
export interface WorkerFolders {
  readonly taskRoot: string
  /** Absent where the function has no layers. */
  readonly layersPath?: string
}

export interface Runtime {
  /** Lambda's identifier: `nodejs22.x`. */
  readonly id: string
  /** AWS's public base image for it. Which image is really used is a setting. */
  readonly baseImage: string
  /** `AWS_EXECUTION_ENV`; absent where Lambda sets none. */
  readonly executionEnvironment?: string
  /** How to run it as a process of this machine. */
  readonly process: {
    /** Absolute path of the folder that is the worker's `LAMBDA_RUNTIME_DIR`. */
    readonly runtimeDir: string
    /** Programs that can run it, best first; looked up on the PATH. Empty: the code itself is the program. */
    readonly programs: ReadonlyArray<string>
    /** Arguments that make a program print the path of its executable: what is on the PATH may be a stub for another. */
    readonly locate: ReadonlyArray<string>
    /** Arguments for `program`. */
    readonly args: (program: string, worker: { readonly memoryMegabytes: number }) => ReadonlyArray<string>
    /** Variables it needs beside those that every worker has. */
    readonly environment: (worker: WorkerFolders) => Readonly<Record<string, string>>
    /** Whether it calls the Runtime API over the Unix socket that `IRORI_RUNTIME_SOCKET` names, where that is set. */
    readonly takesSocket?: boolean
    /** One line for a person who has none of `programs`: what to install. */
    readonly missing: string
  }
}
