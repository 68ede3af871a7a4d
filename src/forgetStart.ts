/**
 * Has the runtime drop what only the start needed: the code of all that ran once, compiled, is a tenth of the memory at
 * rest. What runs again is compiled again, as after any start. Nothing where the runtime has no means to.
 */
export const forgetStart = async (): Promise<void> => {
  if (!("Bun" in globalThis)) return
  // In a turn of its own, since the code of what is running stays.
  await nextTurn()
  Bun.shrink()
  await nextTurn()
}

const nextTurn = () => new Promise<void>((next) => setImmediate(next))
