/** Throws, so that you can see what a caller gets to know of an error. */
export const handler = async (event) => {
  throw new Error(event?.message ?? "This function always fails.")
}
