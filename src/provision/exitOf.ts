/** How a process ended, in the words that Lambda's errors use: those of Go's `os.ProcessState`. */
import type { WorkerExit } from "../domain/Worker.ts"

const signals: Readonly<Record<string, string>> = {
  SIGABRT: "aborted",
  SIGALRM: "alarm clock",
  SIGBUS: "bus error",
  SIGFPE: "floating point exception",
  SIGHUP: "hangup",
  SIGILL: "illegal instruction",
  SIGINT: "interrupt",
  SIGKILL: "killed",
  SIGPIPE: "broken pipe",
  SIGQUIT: "quit",
  SIGSEGV: "segmentation fault",
  SIGSYS: "bad system call",
  SIGTERM: "terminated",
  SIGTRAP: "trace/breakpoint trap",
  SIGUSR1: "user defined signal 1",
  SIGUSR2: "user defined signal 2",
  SIGXCPU: "CPU time limit exceeded",
  SIGXFSZ: "file size limit exceeded"
}

export const exitOf = (code: number | null, signal: string | null): WorkerExit =>
  signal === null ? { code: code ?? 0 } : { signal: signals[signal] ?? signal.replace(/^SIG/, "").toLowerCase() }
