import { bunStreams } from "../../src/net/BunStreams.ts"
import { nodeStreams } from "../../src/net/NodeStreams.ts"
import { suite } from "./ByteStreamContract.ts"

suite("Bun's own sockets", bunStreams)
suite("node:net", nodeStreams)
