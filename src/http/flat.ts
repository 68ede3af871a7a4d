/**
 * A text of one byte a character, in one piece. One that was put together stays in its parts until somebody reads it, and
 * as a part of others it is gone through part by part each time: not so what is kept to be a part of very many.
 */
export const flat = (text: string): string => Buffer.from(text, "latin1").toString("latin1")
