// Subscriptions, and the replies to what they perform.

import assert from "node:assert/strict"
import { afterEach, beforeEach, test } from "node:test"
import { latest, outcome, pass, reset, settled, unhandled, world } from "./world.mjs"

const { createConsumer } = await import("../../flask_cable/static/cable.js")

const ROOM = { channel: "ChatChannel", room: 7 }
const ID = '{"channel":"ChatChannel","room":7}'
const subscribe = (identifier = ID) => ({ command: "subscribe", identifier })
const confirm = (identifier = ID) => ({ type: "confirm_subscription", identifier })
const reject = (identifier = ID) => ({ type: "reject_subscription", identifier })
const reply = (id, rest, identifier = ID) => ({ type: "reply", identifier, id, ...rest })
const message = (data, id, identifier = ID) => ({
  command: "message",
  identifier,
  data: JSON.stringify(data),
  ...(id && { id }),
})

let consumer

beforeEach(() => {
  reset()
  consumer = createConsumer("/cable")
})
afterEach(() => {
  consumer.disconnect()
  pass(3) // nobody asks again
  assert.equal(world.timers.size, 0)
})

// A subscription, and a list of what it was told.
function subscription(channel = ROOM, options) {
  const told = []
  const tellers = ["initialized", "connected", "disconnected", "rejected", "received"].map((name) => [
    name,
    (...news) => void told.push([name, ...news]),
  ])
  return { told, one: consumer.subscriptions.create(channel, Object.fromEntries(tellers), options) }
}

function open(protocol) {
  const socket = latest().accept(protocol)
  socket.hear({ type: "welcome" })
  return socket
}

function confirmed(options, protocol) {
  const { one, told } = subscription(ROOM, options)
  const socket = open(protocol)
  socket.hear(confirm())
  socket.take()
  told.length = 0
  return { one, told, socket }
}

test("creating the first one connects; it is asked for once the server has welcomed", () => {
  assert.equal(world.sockets.length, 0)
  const { one, told } = subscription()
  const socket = latest().accept()
  assert.deepEqual(socket.sent, [])
  socket.hear({ type: "welcome" })
  assert.deepEqual(socket.take(), [subscribe()])
  assert.deepEqual(told, [["initialized"]])
  socket.hear(confirm())
  assert.deepEqual(told, [["initialized"], ["connected", { reconnected: false }]])
  assert.equal(one.identifier, ID)
  assert.equal(one.consumer, consumer)
})

test("a name is enough where there are no parameters", () => {
  assert.equal(subscription("ClockChannel").one.identifier, '{"channel":"ClockChannel"}')
})

test("callbacks are methods of the subscription, and may be missing", () => {
  let owner
  const one = consumer.subscriptions.create("A", {
    received() {
      owner = this
    },
  })
  consumer.subscriptions.create("B")
  const [A, B] = ['{"channel":"A"}', '{"channel":"B"}']
  open().hear(confirm(A), confirm(B), { identifier: A, message: 1 }, { identifier: B, message: 1 }, reject(B))
  assert.equal(owner, one)
})

test("what nobody answers is asked for again, until somebody does", () => {
  subscription()
  const socket = open()
  socket.take()
  for (let second = 2; second < 6; second += 2) {
    pass(2)
    socket.hear({ type: "ping" })
    assert.deepEqual(socket.take(), [subscribe()])
  }
  socket.hear(confirm())
  pass(5)
  assert.deepEqual(socket.take(), [])
})

test("what is confirmed twice is told once", () => {
  const { told, socket } = confirmed()
  socket.hear(confirm())
  assert.deepEqual(told, [])
})

test("messages are heard whatever they are, and before the confirmation too", () => {
  const { told } = subscription()
  const socket = open()
  const values = [null, false, 0, "", [], { type: "mine" }]
  told.length = 0
  socket.hear(...values.map((message) => ({ identifier: ID, message })))
  assert.deepEqual(told, values.map((value) => ["received", value]))
})

test("what it does not know is no matter", () => {
  const { told, socket } = confirmed()
  socket.hear({ type: "confirm_history", identifier: ID }, { type: "presence", identifier: ID, message: {} })
  socket.hear({ identifier: "other", message: 1 }, confirm("other"), reject("other"), reply(99, { data: 1 }), {})
  assert.deepEqual(told, [])
})

test("a rejection is told, and is the end", async () => {
  const { one, told } = subscription()
  const socket = open()
  const performed = one.perform("speak")
  socket.take()
  told.length = 0
  socket.hear(reject())
  assert.deepEqual(told, [["rejected"]])
  socket.hear({ identifier: ID, message: 1 }, confirm())
  assert.deepEqual(told, [["rejected"]])
  assert.equal(await outcome(one.perform("speak")), "rejected")
  one.unsubscribe()
  pass(5)
  assert.deepEqual(socket.take(), [])
  socket.lose()
  assert.equal(await outcome(performed), "disconnected") // its reply may still have come
  assert.deepEqual(told, [["rejected"]])
})

test("it may be asked for again after a rejection", () => {
  subscription()
  const socket = open()
  socket.hear(reject())
  socket.take()
  const { told } = subscription()
  assert.deepEqual(socket.take(), [subscribe()])
  socket.hear(confirm())
  assert.deepEqual(told.at(-1), ["connected", { reconnected: false }])
})

test("unsubscribing is told to the server and to nobody else", () => {
  const { one, told, socket } = confirmed()
  one.unsubscribe()
  one.unsubscribe()
  assert.deepEqual(socket.take(), [{ command: "unsubscribe", identifier: ID }])
  socket.hear({ identifier: ID, message: 1 })
  socket.lose()
  assert.deepEqual(told, [])
})

test("who unsubscribed before the welcome is never asked for", () => {
  subscription().one.unsubscribe()
  assert.deepEqual(open().take(), [])
})

test("several of one identifier share it", async () => {
  const [first, second] = [subscription(), subscription()]
  const socket = open()
  assert.deepEqual(socket.take(), [subscribe()])
  socket.hear(confirm())
  const third = subscription()
  assert.deepEqual(third.told, [["initialized"]])
  await settled()
  assert.deepEqual(socket.take(), [])
  for (const { told } of [first, second, third]) {
    assert.deepEqual(told, [["initialized"], ["connected", { reconnected: false }]])
    told.length = 0
  }
  socket.hear({ identifier: ID, message: "to all" })
  for (const { told } of [first, second, third]) assert.deepEqual(told, [["received", "to all"]])

  first.one.unsubscribe()
  second.one.unsubscribe()
  assert.deepEqual(socket.take(), [])
  socket.hear({ identifier: ID, message: "to one" })
  assert.deepEqual([first.told.length, second.told.length, third.told.length], [1, 1, 2])
  third.one.unsubscribe()
  assert.deepEqual(socket.take(), [{ command: "unsubscribe", identifier: ID }])
})

test("one that was unsubscribed at once is not told that it is connected", async () => {
  confirmed()
  const late = subscription()
  late.one.unsubscribe()
  await settled()
  assert.deepEqual(late.told, [["initialized"]])
})

test("after a reconnect all are asked for again, each once", () => {
  const [first, second, other] = [subscription(), subscription(), subscription("Other")]
  let socket = open()
  socket.hear(confirm())
  for (const { told } of [first, second, other]) told.length = 0
  socket.hear({ type: "disconnect", reason: "server_restart", reconnect: true })
  const lost = ["disconnected", { willAttemptReconnect: true, reason: "server_restart" }]
  for (const { told } of [first, second, other]) assert.deepEqual(told, [lost])
  pass(1)
  latest().lose() // never opened: nobody is told again
  pass(2)
  socket = open()
  assert.deepEqual(socket.take(), [subscribe(), subscribe('{"channel":"Other"}')])
  socket.hear(confirm(), confirm('{"channel":"Other"}'))
  for (const { told } of [first, second]) assert.deepEqual(told, [lost, ["connected", { reconnected: true }]])
  assert.deepEqual(other.told, [lost, ["connected", { reconnected: false }]]) // it never was before
})

test("the end for good is told as such", () => {
  const { told, socket } = confirmed()
  socket.hear({ type: "disconnect", reason: "remote", reconnect: false })
  assert.deepEqual(told, [["disconnected", { willAttemptReconnect: false, reason: "remote" }]])
})

test("one who is not let in is told so", () => {
  const { told } = subscription()
  latest().accept().hear({ type: "disconnect", reason: "unauthorized", reconnect: false })
  assert.deepEqual(told.at(-1), ["disconnected", { willAttemptReconnect: false, reason: "unauthorized" }])
})

test("a callback that throws is reported and stops nobody", async () => {
  consumer.subscriptions.create(ROOM, {
    received() {
      throw new Error("oh")
    },
  })
  const { told } = subscription()
  const reported = await unhandled(() => open().hear(confirm(), { identifier: ID, message: 1 }))
  assert.deepEqual(told.at(-1), ["received", 1])
  assert.deepEqual(reported, ["oh"])
})

// Performing.

test("performing resolves with what the action returns", async () => {
  const { one, socket } = confirmed()
  const [first, second, third] = [one.perform("speak", { text: "hi" }), one.perform("leave"), one.send({ a: 1 })]
  const ids = socket.sent.map(({ id }) => id)
  assert.deepEqual(socket.take(), [
    message({ text: "hi", action: "speak" }, ids[0]),
    message({ action: "leave" }, ids[1]),
    message({ a: 1 }, ids[2]),
  ])
  assert.equal(new Set(ids).size, 3)
  assert.equal(await outcome(first), "pending")
  socket.hear(reply(ids[1], { data: null }), reply(ids[2], { error: "unknown_action" }), reply(ids[0], { data: { n: 7 } }))
  assert.deepEqual(await outcome(first), { value: { n: 7 } })
  assert.deepEqual(await outcome(second), { value: null })
  assert.equal(await outcome(third), "unknown_action")
  await assert.rejects(third, { message: "cable: unknown_action", code: "unknown_action" })
})

test("the action that is named first is the one that is called", () => {
  const { one, socket } = confirmed()
  one.perform("speak", { action: "destroy" })
  assert.deepEqual(JSON.parse(socket.take()[0].data), { action: "speak" })
})

test("one may perform before the confirmation, not before the subscribe", async () => {
  const { one } = subscription()
  assert.equal(await outcome(one.perform("speak")), "disconnected")
  const socket = latest().accept()
  assert.equal(await outcome(one.perform("speak")), "disconnected")
  socket.hear({ type: "welcome" })
  one.perform("speak")
  assert.deepEqual(socket.take().map(({ command }) => command), ["subscribe", "message"])
})

test("a server without replies gets none of the ids, and has done when it is sent", async () => {
  const { one, socket } = confirmed({}, "actioncable-v1-json")
  const performed = one.perform("speak")
  assert.deepEqual(socket.take(), [message({ action: "speak" })])
  assert.deepEqual(await outcome(performed), { value: undefined })
})

test("what waits for a reply when the connection is lost fails, and is not sent again", async () => {
  const { one, socket } = confirmed()
  const performed = one.perform("pay")
  socket.lose()
  assert.equal(await outcome(performed), "disconnected")
  pass(1)
  const next = open()
  next.hear(confirm())
  assert.deepEqual(next.take(), [subscribe()])
})

test("nobody waits longer than half a minute, or than they said", async () => {
  const { one, socket } = confirmed()
  const performed = one.perform("sleep")
  const [{ id }] = socket.take()
  for (let beat = 1; beat < 10; beat++) {
    pass(3)
    socket.hear({ type: "ping" })
  }
  assert.equal(await outcome(performed), "pending")
  pass(3)
  assert.equal(await outcome(performed), "timeout")
  socket.hear(reply(id, { data: "late" }))
  consumer.disconnect()

  consumer = createConsumer("/cable", { timeout: 1000 })
  const hasty = confirmed()
  const other = hasty.one.perform("sleep")
  pass(1)
  assert.equal(await outcome(other), "timeout")
})

test("a failure that nobody waits for is no error of the page's", async () => {
  const { one, socket } = confirmed()
  const reported = await unhandled(() => {
    one.perform("speak")
    socket.lose()
    one.perform("speak")
  })
  assert.deepEqual(reported, [])
})

// Buffering.

test("what is buffered goes out with the confirmation, in its order, before `connected`", async () => {
  const { one, told } = subscription(ROOM, { buffer: 10 })
  const first = one.perform("speak", { n: 1 })
  const socket = open()
  one.perform("speak", { n: 2 })
  assert.deepEqual(socket.take(), [subscribe()])
  one.connected = function () {
    this.perform("speak", { n: 3 })
  }
  socket.hear(confirm())
  assert.deepEqual(socket.sent.map(({ data }) => JSON.parse(data).n), [1, 2, 3])
  one.perform("speak", { n: 4 })
  const [{ id }] = socket.take()
  socket.hear(reply(id, { data: "done" }))
  assert.deepEqual(await outcome(first), { value: "done" })
  assert.deepEqual(told, [["initialized"]])
})

test("a buffer takes what comes while the connection is away", async () => {
  const { one, socket } = confirmed({ buffer: 10 })
  const lost = one.perform("speak", { n: 1 })
  socket.lose()
  const kept = one.perform("speak", { n: 2 })
  assert.equal(await outcome(lost), "disconnected")
  pass(1)
  const next = open()
  next.hear(confirm())
  const [first, { id, ...rest }] = next.take()
  assert.deepEqual([first, rest], [subscribe(), message({ n: 2, action: "speak" })])
  assert.equal(typeof id, "number")
  assert.equal(await outcome(kept), "pending")
})

test("a buffer is bounded: what does not fit fails at once", async () => {
  const { one } = subscription(ROOM, { buffer: 2 })
  const [first, , third] = [1, 2, 3].map((n) => one.perform("speak", { n }))
  assert.equal(await outcome(third), "full")
  assert.equal(await outcome(first), "pending")
  const socket = open()
  socket.hear(confirm())
  assert.deepEqual(socket.take().slice(1).map(({ data }) => JSON.parse(data).n), [1, 2])
})

test("what has timed out is never sent, and leaves its place to others", async () => {
  const { one } = subscription(ROOM, { buffer: 1 })
  const first = one.perform("speak", { n: 1 })
  pass(30)
  assert.equal(await outcome(first), "timeout")
  one.perform("speak", { n: 2 })
  const socket = open()
  socket.hear(confirm())
  assert.deepEqual(socket.take().slice(1).map(({ data }) => JSON.parse(data).n), [2])
})

test("what is buffered ends with its subscription", async () => {
  for (const [end, code] of [
    [() => open().hear(reject()), "rejected"],
    [({ one }) => one.unsubscribe(), "unsubscribed"],
    [() => consumer.disconnect(), "disconnected"],
    [() => latest().accept().hear({ type: "disconnect", reconnect: false }), "disconnected"],
  ]) {
    const made = subscription(ROOM, { buffer: 5 })
    const performed = made.one.perform("speak")
    end(made)
    assert.equal(await outcome(performed), code)
    if (code !== "disconnected") assert.equal(await outcome(made.one.perform("speak")), code)
    consumer.disconnect()
    consumer = createConsumer("/cable")
  }
})
