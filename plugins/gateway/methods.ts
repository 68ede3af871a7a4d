/** What a known path answers to a method that it does not have. */
import type { Owner } from "../../src/domain/FunctionName.ts"
import { errorResponse, MethodRefused } from "./errors.ts"

/** `allow` as in the header: `GET, HEAD`. */
export const refuseMethod = (owner: Owner, allow: string) => () => errorResponse(new MethodRefused({ allow }), owner)
