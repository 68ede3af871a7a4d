/** Fails while it initialises. */
throw new RangeError("no luck today")
