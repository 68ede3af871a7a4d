/** What every implementation of `Streams` must do, on connections over loopback. */
import { readdirSync } from "node:fs"
import { Effect, Exit, Scope } from "effect"
import fc from "fast-check"
import { describe, expect, it } from "vitest"
import { maxCoalescedBytes, type Streams } from "../../src/net/ByteStream.ts"
import { type End, Net, patterned, Recorder, turns, until } from "./ends.ts"

/** More than the kernel takes for a reader that does not read. */
const muchBytes = 24 * 1024 * 1024

const noBytes = new Uint8Array()

/** What the process has open, listeners and connections among it. */
const openFiles = () => readdirSync("/proc/self/fd").length

export const suite = (name: string, streams: Streams) =>
  describe(`ByteStream (${name})`, () => {
    const test = (sentence: string, body: (net: Net) => Promise<unknown>, timeout = 20_000) =>
      it(
        sentence,
        async () => {
          const net = new Net(streams)
          await body(net).finally(() => net.close())
        },
        timeout
      )

    describe("what is written", () => {
      const lengths = fc.oneof(
        fc.integer({ min: 0, max: 300 }),
        fc.integer({ min: maxCoalescedBytes - 12, max: maxCoalescedBytes + 2 }),
        fc.integer({ min: 0, max: 1_500_000 })
      )
      const writing = fc.record({ head: fc.option(fc.integer({ min: 0, max: 20 })), bytes: lengths })

      test(
        "arrives in order, however it is written, to whoever reads slowly",
        (net) =>
          fc.assert(
            fc.asyncProperty(fc.array(writing, { maxLength: 30 }), fc.boolean(), async (writings, readsSlowly) => {
              const { client, server } = await net.pair()
              if (readsSlowly) {
                server.user.onData = () => {
                  server.stream.pause()
                  setImmediate(() => server.stream.resume())
                }
              }
              const expected: Array<Uint8Array> = []
              writings.forEach(({ bytes, head }, place) => {
                const body = patterned(bytes, place)
                if (head === null) client.stream.write(body)
                else {
                  const text = Buffer.from(patterned(head, place + 99)).toString("latin1")
                  expected.push(Buffer.from(text, "latin1"))
                  client.stream.writeMessage(text, body)
                }
                expected.push(body)
              })
              client.stream.end()
              await until("the end", () => server.user.told.includes("ended"))
              expect(server.user.heard.equals(Buffer.concat(expected))).toBe(true)
              client.stream.destroy()
              server.stream.destroy()
            }),
            { numRuns: 25 }
          ),
        60_000
      )

      test("is heard as one piece where it is a small message", async (net) => {
        const { client, server } = await net.pair()
        for (const bytes of [0, 1, 1000, maxCoalescedBytes - 4]) {
          for (let time = 1; time <= 10; time++) {
            const before = server.user.pieces.length
            client.stream.writeMessage("head", patterned(bytes))
            await until("the message", () => server.user.pieces.length > before)
            expect(server.user.pieces.at(-1)).toHaveLength(bytes + 4)
          }
        }
      })

      test("stays as it was handed over, whatever comes after it", async (net) => {
        const { client, server } = await net.pair()
        const messages = Array.from({ length: 50 }, (_, place) => patterned(7000, place))
        for (const message of messages) {
          const before = server.user.bytes
          client.stream.writeMessage("", message)
          await until("the message", () => server.user.bytes === before + message.length)
        }
        expect(server.user.heard.equals(Buffer.concat(messages))).toBe(true)
      })

      test("arrives also where it was written before there was a connection", async (net) => {
        const ends: Array<End> = []
        const { port } = await net.listen((end) => ends.push(end))
        const order: Array<string> = []
        const user = new Recorder()
        const client = net.connect(port, { user, onOpen: () => order.push("open") })
        order.push("connecting")
        client.stream.writeMessage("one ", Buffer.from("two "))
        client.stream.write(Buffer.from("three "))
        client.stream.write(patterned(3_000_000))
        client.stream.writeMessage("four", noBytes)
        const whole = Buffer.concat([Buffer.from("one two three "), patterned(3_000_000), Buffer.from("four")])
        await until("all of it", () => ends[0]?.user.bytes === whole.length)
        expect(ends[0]?.user.heard.equals(whole)).toBe(true)
        expect(order).toEqual(["connecting", "open"])
      })
    })

    describe("to a reader that stops", () => {
      test("is held, and its writer told once when all of it is taken", async (net) => {
        const { client, server } = await net.pair()
        expect(client.stream.isFull).toBe(false)
        server.stream.pause()
        const bytes = patterned(muchBytes)
        client.stream.write(bytes)
        expect(client.stream.isFull).toBe(true)
        await turns()
        expect(client.stream.isFull).toBe(true)
        expect(client.user.told).toEqual([])
        let wasFull = true
        client.user.onDrained = () => {
          wasFull = client.stream.isFull
        }
        server.stream.resume()
        await until("all of it", () => server.user.bytes === bytes.length)
        await until("word of it", () => client.user.told.length > 0)
        await turns()
        expect(server.user.heard.equals(bytes)).toBe(true)
        expect(client.user.told).toEqual(["drained"])
        expect(wasFull).toBe(false)
      })

      test("is told as often as something was held", async (net) => {
        const { client, server } = await net.pair()
        const bytes = patterned(2_000_000)
        let left = 20
        client.user.onDrained = () => {
          while (left > 0 && !client.stream.isFull) {
            left--
            client.stream.write(bytes)
          }
          if (left === 0 && !client.stream.isFull) client.stream.end()
        }
        client.user.onDrained()
        await until("the end", () => server.user.told.includes("ended"))
        expect(server.user.bytes).toBe(20 * bytes.length)
      })

      test("says nothing of what was never held", async (net) => {
        const { client, server } = await net.pair()
        client.stream.write(Buffer.from("a"))
        client.stream.writeMessage("b", Buffer.from("c"))
        await until("all of it", () => server.user.bytes === 3)
        client.stream.end()
        await until("the end", () => server.user.told.includes("ended"))
        await turns()
        expect(client.user.told).toEqual([])
      })

      test("leaves others their turn while it goes on", async (net) => {
        const { client, server } = await net.pair()
        let turn = 0
        let isDone = false
        const count = () => {
          turn++
          if (!isDone) setImmediate(count)
        }
        setImmediate(count)
        const begun = performance.now()
        client.stream.write(patterned(2 * muchBytes))
        const callMillis = performance.now() - begun
        await until("all of it", () => server.user.bytes === 2 * muchBytes)
        isDone = true
        expect(turn).toBeGreaterThan(20)
        expect(callMillis).toBeLessThan(1000)
      })
    })

    describe("an end", () => {
      test("comes after all that was written, and what the other side sends is read on", async (net) => {
        const { client, server } = await net.pair()
        const bytes = patterned(muchBytes)
        server.stream.pause()
        client.stream.write(bytes)
        client.stream.end()
        client.stream.end()
        client.stream.write(Buffer.from("too late"))
        client.stream.writeMessage("too late", noBytes)
        server.stream.write(Buffer.from("before"))
        await until("what was sent", () => client.user.bytes === 6)
        server.stream.resume()
        await until("the end", () => server.user.told.includes("ended"))
        expect(server.user.heard.equals(bytes)).toBe(true)
        server.stream.write(Buffer.from(", after"))
        await until("what was sent then", () => client.user.bytes === 13)
        expect(client.stream.isClosed).toBe(false)
        server.stream.end()
        await until("both closed", () => client.user.count("closed") + server.user.count("closed") === 2)
        await turns()
        expect(server.user.told).toEqual(["data", "ended", "closed"])
        expect(client.user.toldOfTheOther).toEqual(["data", "ended", "closed"])
        expect(client.user.heard.toString()).toBe("before, after")
        expect([client.user.cause, server.user.cause]).toEqual([undefined, undefined])
        expect([client.stream.isClosed, server.stream.isClosed]).toEqual([true, true])
      })

      test("that was said before there was a connection comes after what was written", async (net) => {
        for (const text of ["", "words"]) {
          let server: End | undefined
          const { port } = await net.listen((end) => {
            server = end
          })
          const client = net.connect(port)
          client.stream.writeMessage(text, noBytes)
          client.stream.end()
          await until("the end", () => server?.user.told.includes("ended") === true)
          expect(server?.user.heard.toString()).toBe(text)
          server?.stream.writeMessage("answer", noBytes)
          server?.stream.end()
          await until("the close", () => client.user.told.includes("closed"))
          expect(client.user.toldOfTheOther).toEqual(["data", "ended", "closed"])
        }
      })

      test("is told when it is sent, where anything was held until then", async (net) => {
        const { client, server } = await net.pair()
        client.stream.writeMessage("a little", noBytes)
        expect(client.stream.isFull).toBe(false)
        client.stream.end()
        const isHeld = client.stream.isFull
        await until("the end", () => server.user.told.includes("ended"))
        expect([client.user.told, client.stream.isFull]).toEqual([isHeld ? ["drained"] : [], false])
      })

      test("of the other side leaves this side writing what is held", async (net) => {
        const { client, server } = await net.pair()
        const bytes = patterned(muchBytes)
        server.stream.pause()
        client.stream.write(bytes)
        server.stream.end()
        await until("the other side's end", () => client.user.told.includes("ended"))
        server.stream.resume()
        await until("all of it", () => server.user.bytes === bytes.length)
        client.stream.writeMessage("more", noBytes)
        client.stream.end()
        await until("both closed", () => client.user.count("closed") + server.user.count("closed") === 2)
        expect(server.user.heard.subarray(-4).toString()).toBe("more")
        expect([client.user.cause, server.user.cause]).toEqual([undefined, undefined])
      })

      test("of both sides at once closes both", async (net) => {
        for (let time = 0; time < 20; time++) {
          const { client, server } = await net.pair()
          client.stream.end()
          server.stream.end()
          await until("both closed", () => client.user.count("closed") + server.user.count("closed") === 2)
          expect([client.user.told, server.user.told]).toEqual([
            ["ended", "closed"],
            ["ended", "closed"]
          ])
        }
      })
    })

    describe("a finish", () => {
      test("closes after all that was written, however slowly it is read", async (net) => {
        const { client, server } = await net.pair()
        const bytes = patterned(muchBytes)
        server.stream.pause()
        client.stream.write(bytes)
        client.stream.finish()
        client.stream.write(Buffer.from("too late"))
        expect(client.stream.isClosed).toBe(false)
        await turns()
        expect(client.user.told).toEqual([])
        server.stream.resume()
        await until("the close", () => client.user.told.includes("closed"))
        await until("the end", () => server.user.told.includes("ended"))
        expect(server.user.heard.equals(bytes)).toBe(true)
        expect(client.user.told).toEqual(["closed"])
        expect(client.user.cause).toBeInstanceOf(Error)
        server.stream.end()
        await until("the other side's close", () => server.user.told.includes("closed"))
      })

      test("with nothing held closes at once, and small things arrive", async (net) => {
        const { client, server } = await net.pair()
        client.stream.writeMessage("good", Buffer.from("bye"))
        client.stream.finish()
        client.stream.finish()
        await until("the end", () => server.user.told.includes("ended"))
        await until("the close", () => client.user.told.includes("closed"))
        expect(server.user.heard.toString()).toBe("goodbye")
        expect(client.user.told).toEqual(["closed"])
      })

      test("may come after an end, and before there is a connection", async (net) => {
        let server: End | undefined
        const { port } = await net.listen((end) => {
          server = end
        })
        const client = net.connect(port)
        client.stream.write(patterned(4_000_000))
        client.stream.end()
        client.stream.finish()
        await until("the end", () => server?.user.told.includes("ended") === true)
        await until("the close", () => client.user.told.includes("closed"))
        expect(server?.user.heard.equals(patterned(4_000_000))).toBe(true)
        expect(client.user.count("closed")).toBe(1)
      })
    })

    describe("what is destroyed", () => {
      test("is closed at once, and its user told last, once, and not from within the call", async (net) => {
        for (const isHolding of [false, true]) {
          const { client, server } = await net.pair()
          server.stream.pause()
          if (isHolding) client.stream.write(patterned(muchBytes))
          server.stream.write(patterned(100_000))
          expect(client.stream.remoteAddress).toBe("127.0.0.1")
          client.stream.destroy()
          expect(client.user.told).toEqual([])
          expect([client.stream.isClosed, client.stream.isFull]).toEqual([true, false])
          expect(client.stream.remoteAddress).toBeUndefined()
          client.stream.destroy()
          client.stream.write(Buffer.from("too late"))
          client.stream.writeMessage("too late", noBytes)
          client.stream.end()
          client.stream.finish()
          client.stream.pause()
          client.stream.resume()
          client.stream.ref()
          client.stream.unref()
          client.stream.probe(1000)
          await until("the close", () => client.user.told.length > 0)
          server.stream.resume()
          await until("the other side's end", () => server.user.told.some((each) => /ended|closed/.test(each)))
          server.stream.destroy()
          await turns()
          expect(client.user.told).toEqual(["closed"])
          expect(client.user.cause).toBeInstanceOf(Error)
          expect(server.user.count("closed")).toBe(1)
          expect(server.user.told.at(-1)).toBe("closed")
          expect(server.user.heard.toString()).not.toContain("late")
        }
      })

      test("behind a small message lets that go first", async (net) => {
        const { client, server } = await net.pair()
        client.stream.writeMessage("good", Buffer.from("bye"))
        client.stream.destroy()
        expect([client.stream.isClosed, client.user.told]).toEqual([true, []])
        await until("the end", () => server.user.told.includes("ended"))
        expect(server.user.heard.toString()).toBe("goodbye")
        expect(client.user.told).toEqual(["closed"])
      })

      test("with much that was written just before is told no more of that", async (net) => {
        const { client } = await net.pair()
        client.stream.write(patterned(700_000))
        client.stream.destroy()
        expect([client.stream.isClosed, client.user.told]).toEqual([true, []])
        await turns()
        expect(client.user.told).toEqual(["closed"])
      })

      test("from within what its user is told is told nothing more", async (net) => {
        const { client, server } = await net.pair()
        server.user.onData = () => server.stream.destroy()
        client.stream.write(patterned(muchBytes))
        client.stream.end()
        await until("the close", () => server.user.told.includes("closed"))
        await until("the other side's close", () => client.user.told.includes("closed"))
        await turns()
        expect(server.user.pieces).toHaveLength(1)
        expect(server.user.told).toEqual(["data", "closed"])
        expect(client.user.count("closed")).toBe(1)

        const next = await net.pair()
        next.server.user.onEnded = () => next.server.stream.destroy()
        next.client.user.onDrained = () => next.client.stream.destroy()
        next.client.stream.write(patterned(muchBytes))
        await until("the close", () => next.server.user.told.includes("closed"))
        expect(next.server.user.told).toEqual(["data", "ended", "closed"])
        await turns()
        expect(next.client.user.told).toEqual(["drained", "closed"])
      })

      test("while it connects is told once, and never opened", async (net) => {
        const server: Array<End> = []
        const { port } = await net.listen((end) => server.push(end))
        const isOpen: Array<string> = []
        for (let time = 0; time < 10; time++) {
          const client = net.connect(port, { onOpen: () => isOpen.push("open") })
          client.stream.write(Buffer.from("never sent"))
          client.stream.destroy()
          expect([client.stream.isClosed, client.user.told]).toEqual([true, []])
          await until("the close", () => client.user.told.length > 0)
          await turns(3)
          expect(client.user.told).toEqual(["closed"])
          expect(client.user.cause).toBeInstanceOf(Error)
        }
        await turns()
        expect(isOpen).toEqual([])
        for (const { stream, user } of server) {
          stream.end()
          await until("its other end's close", () => user.told.at(-1) === "closed")
          expect(user.told).not.toContain("data")
        }
      })

      test("when it is told of its connection is closed", async (net) => {
        let server: End | undefined
        const { port } = await net.listen((end) => {
          server = end
          end.stream.destroy()
        })
        const client = net.connect(port)
        await until("both closed", () => server?.user.count("closed") === 1)
        await until("the other side's word", () => client.user.told.length > 0)
        client.stream.end()
        await until("the other side's close", () => client.user.told.at(-1) === "closed")
        const here = net.connect(port, { onOpen: () => here.stream.destroy() })
        await until("the close", () => here.user.told.length > 0)
        await turns()
        expect(here.user.told).toEqual(["closed"])
      })
    })

    describe("a pause", () => {
      test("holds everything that comes, until it is over", async (net) => {
        const { client, server } = await net.pair()
        server.stream.pause()
        server.stream.pause()
        expect(server.stream.isPaused).toBe(true)
        client.stream.writeMessage("one", noBytes)
        await turns()
        expect(server.user.told).toEqual([])
        server.stream.resume()
        server.stream.resume()
        expect(server.stream.isPaused).toBe(false)
        await until("what was held", () => server.user.bytes === 3)
        server.stream.pause()
        client.stream.writeMessage("two", noBytes)
        await turns()
        expect(server.user.bytes).toBe(3)
        server.stream.resume()
        await until("the rest", () => server.user.bytes === 6)
        expect(server.user.heard.toString()).toBe("onetwo")
      })

      test("from within a piece is the last of it until it is over", async (net) => {
        const { client, server } = await net.pair()
        server.user.onData = () => server.stream.pause()
        const bytes = patterned(4_000_000)
        client.stream.write(bytes)
        client.stream.end()
        for (let pieces = 1; server.user.bytes < bytes.length; pieces++) {
          await until("a piece", () => server.user.pieces.length >= pieces)
          if (pieces < 6) await turns(3)
          expect(server.user.pieces).toHaveLength(pieces)
          server.stream.resume()
        }
        await until("the end", () => server.user.told.includes("ended"))
        expect(server.user.heard.equals(bytes)).toBe(true)
      })

      test("holds back the end too, which comes after all that was sent", async (net) => {
        for (const text of ["", "last words"]) {
          const { client, server } = await net.pair()
          server.stream.pause()
          client.stream.writeMessage(text, noBytes)
          client.stream.end()
          await turns()
          expect(server.user.told).toEqual([])
          expect(server.stream.isClosed).toBe(false)
          server.stream.writeMessage("go on", noBytes)
          await until("what was sent meanwhile", () => client.user.bytes === 5)
          server.stream.resume()
          await until("the end", () => server.user.told.includes("ended"))
          expect(server.user.heard.toString()).toBe(text)
          server.stream.end()
          await until("the close", () => server.user.told.includes("closed"))
          expect(server.user.cause).toBeUndefined()
        }
      })

      test("may be there from the first, on both sides", async (net) => {
        let server: End | undefined
        const { port } = await net.listen((end) => {
          server = end
          end.stream.pause()
          end.stream.writeMessage("welcome", noBytes)
        })
        const client = net.connect(port)
        client.stream.pause()
        client.stream.writeMessage("hello", noBytes)
        await until("a connection", () => server !== undefined)
        await turns()
        expect([client.user.told, server?.user.told]).toEqual([[], []])
        expect([client.stream.isPaused, server?.stream.isPaused]).toEqual([true, true])
        client.stream.resume()
        server?.stream.resume()
        await until("both words", () => client.user.bytes + (server?.user.bytes ?? 0) === 12)
      })

      test("stops nothing that is written", async (net) => {
        const { client, server } = await net.pair()
        client.stream.pause()
        client.stream.write(patterned(muchBytes))
        await until("all of it", () => server.user.bytes === muchBytes)
        await until("word of it", () => client.user.told.includes("drained"))
      })
    })

    describe("the other side", () => {
      test("that resets has its reason told, once and last", async (net) => {
        for (const isHolding of [false, true]) {
          const { socket, stream, user } = await net.withSocket()
          if (isHolding) {
            socket.pause()
            stream.write(patterned(muchBytes))
            expect(stream.isFull).toBe(true)
          }
          socket.write("word")
          await until("what was sent", () => user.bytes === 4)
          socket.resetAndDestroy()
          await until("the close", () => user.told.includes("closed"))
          await turns()
          expect(user.told).toEqual(["data", "closed"])
          expect(user.cause).toBeInstanceOf(Error)
          expect([stream.isClosed, stream.isFull]).toEqual([true, false])
        }
      })

      test("that resets while it is not read is noticed at the latest when it is", async (net) => {
        const { socket, stream, user } = await net.withSocket()
        stream.pause()
        socket.resetAndDestroy()
        await turns()
        stream.resume()
        await until("the close", () => user.told.includes("closed"))
        expect(user.told).toEqual(["closed"])
        expect(user.cause).toBeInstanceOf(Error)
      })

      test("that is gone while this side writes on closes it, and nothing is thrown", async (net) => {
        const { socket, stream, user } = await net.withSocket()
        socket.destroy()
        await until("its end", () => user.told.includes("ended") || user.told.includes("closed"))
        for (let time = 0; time < 50 && !stream.isClosed; time++) {
          stream.writeMessage("anybody?", patterned(50_000))
          await turns(1)
        }
        await until("the close", () => user.told.includes("closed"))
        expect(user.count("closed")).toBe(1)
        expect(user.cause).toBeInstanceOf(Error)
      })
    })

    describe("a connection that does not come about", () => {
      test("is closed with the reason, after the call", async (net) => {
        const { port, stop } = await net.listen(() => {})
        stop()
        await turns()
        const isOpen: Array<string> = []
        for (const [host, at] of [
          ["127.0.0.1", port],
          ["::1", port],
          ["localhost", port],
          ["127.0.0.1", 0],
          ["nowhere.invalid", port]
        ] as const) {
          const client = net.connect(at, { host, onOpen: () => isOpen.push(host) })
          client.stream.writeMessage("anybody?", noBytes)
          expect(client.user.told).toEqual([])
          await until(`the close of ${host}`, () => client.user.told.length > 0)
          await turns(3)
          expect(client.user.told).toEqual(["closed"])
          expect(client.user.cause).toBeInstanceOf(Error)
          expect(client.stream.isClosed).toBe(true)
        }
        expect(isOpen).toEqual([])
      })

      test("though it is not told of, when it was destroyed before", async (net) => {
        const { port, stop } = await net.listen(() => {})
        stop()
        await turns()
        for (const host of ["127.0.0.1", "nowhere.invalid"]) {
          const client = net.connect(port, { host })
          client.stream.destroy()
          await turns(100)
          expect(client.user.told).toEqual(["closed"])
        }
      })
    })

    describe("a listener", () => {
      test("of a port that is taken fails, and of an address of another machine", async (net) => {
        const { port } = await net.listen(() => {})
        const cause = { cause: { code: "EADDRINUSE" } }
        expect(await net.listenFailure("127.0.0.1", port)).toMatchObject(cause)
        expect(await net.listenFailure("0.0.0.0", port)).toMatchObject(cause)
        expect(await net.listenFailure("192.0.2.1", 0)).toMatchObject({ host: "192.0.2.1" })
      })

      test("shares its port with nobody who would", async (net) => {
        const { port } = await net.listen(() => {})
        const share = (at: number) =>
          Bun.serve({ port: at, hostname: "127.0.0.1", reusePort: true, fetch: () => new Response() })
        expect(() => share(port)).toThrow()
        const sharer = share(0)
        expect(await net.listenFailure("127.0.0.1", sharer.port ?? 0)).toMatchObject({ cause: { code: "EADDRINUSE" } })
        await sharer.stop(true)
      })

      test("listens on any address of this machine, and says from where somebody comes", async (net) => {
        for (const [host, from, seen] of [
          ["127.0.0.1", "127.0.0.1", "127.0.0.1"],
          ["0.0.0.0", "127.0.0.1", "127.0.0.1"],
          ["::1", "::1", "::1"],
          ["::", "::1", "::1"],
          ["::", "127.0.0.1", "::ffff:127.0.0.1"]
        ] as const) {
          let server: End | undefined
          const { port } = await net.listen(
            (end) => {
              server = end
            },
            { host }
          )
          const client = net.connect(port, { host: from })
          await until("a connection", () => server !== undefined)
          expect(port).toBeGreaterThan(0)
          expect(server?.stream.remoteAddress).toBe(seen)
          await until("its other end", () => client.stream.remoteAddress !== undefined)
          expect(client.stream.remoteAddress).toBe(from)
        }
      })

      test("that stops takes nobody more, and who is there goes on", async (net) => {
        const ends: Array<End> = []
        const { port, stop } = await net.listen((end) => ends.push(end))
        const client = net.connect(port)
        await until("a connection", () => ends.length === 1)
        stop()
        stop()
        await turns()
        const late = net.connect(port)
        await until("the late one's close", () => late.user.told.includes("closed"))
        client.stream.writeMessage("still here", noBytes)
        await until("the word", () => ends[0]?.user.bytes === 10)
        ends[0]?.stream.writeMessage("so am I", noBytes)
        await until("the answer", () => client.user.bytes === 7)
        expect(ends).toHaveLength(1)
        // Of who went on, too, nothing hinders whoever listens next.
        expect((await net.listen(() => {}, { port })).port).toBe(port)
      })

      test("stops with its scope", async (net) => {
        const scope = Scope.makeUnsafe()
        let server: End | undefined
        const { port } = await net.listen(
          (end) => {
            server = end
          },
          { scope }
        )
        const client = net.connect(port)
        await until("a connection", () => server !== undefined)
        await Effect.runPromise(Scope.close(scope, Exit.void))
        await turns()
        const late = net.connect(port)
        await until("the late one's close", () => late.user.told.includes("closed"))
        client.stream.writeMessage("still here", noBytes)
        await until("the word", () => server?.user.bytes === 10)
      })

      test("has nothing left of thousands of connections", async (net) => {
        let taken = 0
        let open = 0
        const { port } = await net.listen(({ stream, user }) => {
          const way = taken++ % 4
          open++
          user.onClosed = () => open--
          user.onData = (bytes) => {
            stream.write(bytes)
            if (way === 0) stream.finish()
            if (way === 1) stream.end()
            if (way === 2) stream.destroy()
          }
          user.onEnded = () => stream.end()
        })
        const one = () =>
          new Promise<void>((resolve) => {
            const user = new Recorder()
            const client = net.connect(port, { user })
            user.onClosed = resolve
            user.onData = () => client.stream.end()
            user.onEnded = () => client.stream.end()
            client.stream.writeMessage("hello", noBytes)
          })
        const many = async (times: number) => {
          for (let time = 0; time < times; time++) await Promise.all(Array.from({ length: 25 }, one))
          await until("everybody gone", () => open === 0)
        }
        await many(4)
        const before = openFiles()
        await many(80)
        expect(taken).toBe(84 * 25)
        // Other tests of the same process open some meanwhile.
        expect(openFiles()).toBeLessThan(before + 100)
      }, 60_000)
    })

    describe("a user that throws", () => {
      /** What is said of bugs meanwhile. */
      const warnings = async (body: () => Promise<void>): Promise<ReadonlyArray<string>> => {
        const said: Array<string> = []
        const listen = (warning: Error) => said.push(/a bug at [^\n]*/.exec(warning.message)?.[0] ?? warning.message)
        process.on("warning", listen)
        await body().finally(() => process.off("warning", listen))
        return said
      }
      const bug = (what: string) => () => {
        throw new Error(`a bug at ${what}`)
      }

      test("loses its connection, is told why, and nobody else is harmed", async (net) => {
        for (const what of ["data", "drained", "ended"] as const) {
          const said = await warnings(async () => {
            const { client, port, server } = await net.pair()
            const other = await net.withSocket()
            if (what === "data") server.user.onData = bug(what)
            if (what === "ended") server.user.onEnded = bug(what)
            if (what === "drained") server.user.onDrained = bug(what)
            if (what === "drained") server.stream.write(patterned(muchBytes))
            client.stream.write(Buffer.from("a"))
            if (what === "ended") client.stream.end()
            await until("the close", () => server.user.told.includes("closed"))
            expect(server.user.cause).toMatchObject({ message: `a bug at ${what}` })
            expect(server.stream.isClosed).toBe(true)
            await until("the other side's word", () => client.user.told.some((each) => /ended|closed/.test(each)))
            await turns()
            expect(server.user.count("closed")).toBe(1)
            other.socket.write("still there")
            await until("the word", () => other.user.bytes === 11)
            const late = net.connect(port)
            await until("a connection", () => late.stream.remoteAddress !== undefined)
          })
          expect(said).toEqual([`a bug at ${what}`])
        }
      })

      test("when it is given a connection, or told that it is open, loses it", async (net) => {
        const said = await warnings(async () => {
          const { port } = await net.listen(bug("the listener's"))
          const client = net.connect(port)
          await until("the other side's word", () => client.user.told.some((each) => /ended|closed/.test(each)))

          let server: End | undefined
          const next = await net.listen((end) => {
            server = end
          })
          const thrower = net.connect(next.port, { onOpen: bug("opening") })
          await until("the close", () => thrower.user.told.includes("closed"))
          await until(
            "the other side's word",
            () => server?.user.told.some((each) => /ended|closed/.test(each)) === true
          )
          expect(thrower.user.cause).toMatchObject({ message: "a bug at opening" })
        })
        expect(said).toEqual(["a bug at the listener's", "a bug at opening"])
      })

      test("at its close harms nobody", async (net) => {
        const said = await warnings(async () => {
          const { client, server } = await net.pair()
          server.user.onClosed = bug("closing")
          server.stream.destroy()
          await until("the close", () => server.user.told.includes("closed"))
          await until("the other side's word", () => client.user.told.some((each) => /ended|closed/.test(each)))
          await turns()
        })
        expect(said).toEqual(["a bug at closing"])
      })
    })

    describe("the process", () => {
      const implementation = name === "node:net" ? "NodeStreams.ts" : "BunStreams.ts"
      const exported = name === "node:net" ? "nodeStreams" : "bunStreams"
      /** A process of its own, with a connection to here, that has nothing else to do. */
      const start = (port: number, then: string) =>
        Bun.spawn(
          [
            process.execPath,
            "-e",
            `
          import { ${exported} as streams } from ${JSON.stringify(`${import.meta.dirname}/../../src/net/${implementation}`)}
          const user = { data: () => {}, ended: () => stream.destroy(), closed: () => {} }
          const stream = streams.connect("127.0.0.1", ${port}, user, () => { ${then}; stream.writeMessage("open", new Uint8Array()) })
        `
          ],
          { stdout: "inherit", stderr: "inherit" }
        )

      test("ends though there is a connection that is not to keep it, and only then", async (net) => {
        const ends: Array<End> = []
        const { port } = await net.listen((end) => ends.push(end))
        const leaving = start(port, "stream.unref()")
        expect(await leaving.exited).toBe(0)
        expect(ends.map(({ user }) => user.heard.toString())).toEqual(["open"])

        const staying = start(port, "stream.unref(); stream.ref()")
        await until("its word", () => ends[1]?.user.bytes === 4)
        await turns(100)
        expect(staying.exitCode).toBe(null)
        ends[1]?.stream.end()
        expect(await staying.exited).toBe(0)
      })
    })
  })
