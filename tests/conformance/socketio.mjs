// The stock socket.io-client: long polling and upgrade, its defaults, or one transport alone. A scenario is called
// `name:transport`, where "default" is what the client does by itself.

import assert from "node:assert/strict"
import { io } from "socket.io-client"
import { ask, base, get, main, post, unique, until } from "./harness.mjs"

const modes = {
  default: {},
  websocket: { transports: ["websocket"] },
  polling: { transports: ["polling"] },
}

// What the scenarios share: a client that keeps what it hears, at the server's own origin.
function clients(mode) {
  const sockets = []
  const connect = (path = "/", options = {}) => {
    const socket = io(base + path, {
      ...modes[mode],
      forceNew: true,
      reconnectionDelay: 100,
      reconnectionDelayMax: 200,
      ...options,
      extraHeaders: { origin: base, ...options.extraHeaders },
    })
    socket.heard = []
    socket.reasons = []
    socket.errors = []
    socket.onAny((...event) => socket.heard.push(event.map(plain)))
    socket.on("disconnect", (reason) => socket.reasons.push(reason))
    socket.on("connect_error", (error) => socket.errors.push(error))
    sockets.push(socket)
    return socket
  }
  const connected = async (...args) => {
    const socket = connect(...args)
    await until(() => socket.connected, "connected")
    return socket
  }
  return { mode, connect, connected, close: () => sockets.forEach((socket) => socket.disconnect()) }
}

// Binary values as arrays, and without the place in the log that the server appends.
function plain(value) {
  if (Buffer.isBuffer(value)) return { bytes: [...value] }
  if (Array.isArray(value)) return value.map(plain)
  if (value && typeof value === "object") {
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]))
  }
  return value
}

function isPlace(value) {
  return typeof value === "string" && /^\d{6,}(-\d+)?$/.test(value)
}

// What a client heard, by the event's name.
function heard(socket, name) {
  return socket.heard
    .filter((event) => event[0] === name)
    .map((event) => (isPlace(event.at(-1)) ? event.slice(1, -1) : event.slice(1)))
}

async function chats({ connected }) {
  const [ann, bob, cid] = await Promise.all([connected(), connected(), connected()])
  const [a, b] = [unique("ann"), unique("bob")]
  assert.equal(await ann.emitWithAck("nickname", a), "free")
  assert.equal(await bob.emitWithAck("nickname", a), "taken")
  assert.equal(await bob.emitWithAck("nickname", b), "free")
  await until(() => heard(ann, "announcement").some(([text]) => text === `${b} connected`), "bob is announced")
  assert.ok(!heard(bob, "announcement").some(([text]) => text === `${b} connected`))
  await until(() => heard(cid, "nicknames").some(([names]) => names.includes(a) && names.includes(b)), "the names")

  ann.emit("user message", "hello, \u4e2d\u6587 \u{1f600}")
  const from = (socket) => heard(socket, "user message").filter(([nick]) => nick === a) // others chat, too
  await until(() => from(bob).length && from(cid).length, "the others hear it")
  assert.deepEqual(from(bob), [[a, "hello, \u4e2d\u6587 \u{1f600}"]])
  assert.deepEqual(from(ann), [])

  const room = unique("room")
  assert.equal(await ann.emitWithAck("/join", room), true)
  assert.equal(await ann.emitWithAck("/join", room), false)
  assert.equal(await bob.emitWithAck("/join", room), true)
  bob.emit("/room", room, "in here")
  await until(() => heard(ann, "room message").length, "the room hears it")
  assert.equal(await ann.emitWithAck("/leave", room), true)
  bob.emit("/room", room, "and now?")
  await bob.emitWithAck("echo")
  await ann.emitWithAck("echo")
  assert.deepEqual(heard(ann, "room message"), [[b, "in here"]])
  assert.deepEqual(heard(cid, "room message"), [])

  bob.disconnect()
  const left = `${b} left: client namespace disconnect`
  await until(() => heard(ann, "announcement").some(([text]) => text === left), "bob has left")
}

async function sends_binary_values({ connected }) {
  const socket = await connected()
  const values = [Buffer.from([1, 2, 3]), { deep: [Buffer.alloc(0), new Uint8Array([255])] }, "text"]
  const expected = [{ bytes: [1, 2, 3] }, { deep: [{ bytes: [] }, { bytes: [255] }] }, "text"]
  socket.send(...values)
  await until(() => heard(socket, "message").length, "it comes back")
  assert.deepEqual(heard(socket, "message")[0], expected)
  const answer = await new Promise((resolve) => socket.emit("echo", ...values, (...back) => resolve(back)))
  assert.deepEqual(answer.map(plain), expected)
  const large = Buffer.alloc(100_000, 7)
  assert.ok(large.equals(await socket.emitWithAck("echo", large)))
}

async function acknowledges_both_ways({ connected }) {
  const socket = await connected()
  assert.equal(await socket.timeout(5000).emitWithAck("echo", 7), 7)
  assert.deepEqual(await new Promise((resolve) => socket.emit("echo", 1, "two", (...all) => resolve(all))), [1, "two"])
  await assert.rejects(socket.timeout(100).emitWithAck("never"), /timed out/)
  await assert.rejects(socket.timeout(100).emitWithAck("nobody handles this"), /timed out/)
  await assert.rejects(socket.timeout(100).emitWithAck("fail"), /timed out/)
  socket.on("question", (question, answer) => question === "silence" || answer(question * 2, Buffer.from([1])))
  socket.emit("ask me", 21, 5)
  await until(() => heard(socket, "answered").length, "the server has its answer")
  assert.deepEqual(heard(socket, "answered"), [[42, { bytes: [1] }]])
  socket.emit("ask me", "silence", 0.1)
  await until(() => heard(socket, "unanswered").length, "the server waits no longer")
}

async function retries_until_it_is_acknowledged({ connected }) {
  const socket = await connected("/", { retries: 2, ackTimeout: 3000 })
  const answers = []
  for (let number = 0; number < 20; number++) socket.emit("echo", number, (error, value) => answers.push(value))
  await until(() => answers.length === 20, "all are acknowledged")
  assert.deepEqual(answers, [...Array(20).keys()])
}

async function keeps_the_order({ connect }) {
  const socket = connect() // not connected, and not upgraded yet
  const [there, back] = [1000, 1000]
  socket.emit("count to", back)
  for (let number = 0; number < there; number++) socket.emit("message", number)
  await until(() => heard(socket, "message").length === there && heard(socket, "count").length === back, "all", 30)
  assert.deepEqual(heard(socket, "message").flat(), [...Array(there).keys()])
  assert.deepEqual(heard(socket, "count").flat(), [...Array(back).keys()])
}

async function keeps_the_order_through_an_upgrade({ connect }) {
  const socket = connect()
  const upgraded = () => socket.io.engine.transport.name === "websocket"
  let sent = 0
  await until(() => {
    for (let more = 0; more < 5; more++) socket.emit("message", sent++)
    return upgraded() && sent > 500
  }, "an upgrade under load", 30)
  await until(() => heard(socket, "message").length === sent, "all come back", 30)
  assert.deepEqual(heard(socket, "message").flat(), [...Array(sent).keys()])
}

async function enters_namespaces({ connected, connect }) {
  const main = await connected()
  const guarded = main.io.socket("/guarded", { auth: { token: "right" } })
  const rooms = [main.io.socket("/room-1"), main.io.socket("/room-2")]
  await until(() => guarded.connected && rooms.every((room) => room.connected), "in")
  assert.equal(new Set([main.id, guarded.id, ...rooms.map((room) => room.id)]).size, 4)
  const said = [[], []]
  rooms.forEach((room, number) => room.on("said", (text) => said[number].push(text)))
  rooms[0].emit("say", "one")
  rooms[1].emit("say", "two")
  assert.equal(await guarded.emitWithAck("whisper", "PSST"), "psst")
  await until(() => said[0].length && said[1].length, "both say it")
  assert.deepEqual(said, [["one"], ["two"]])
  guarded.disconnect()
  assert.equal(await main.emitWithAck("echo", "still here"), "still here")

  const nowhere = connect("/nowhere")
  await until(() => nowhere.errors.length, "refused")
  assert.equal(nowhere.errors[0].message, "Invalid namespace")
}

async function is_refused_with_a_reason({ connect }) {
  const guarded = connect("/guarded", { auth: { token: "wrong" } })
  const checked = connect("/checked")
  await until(() => guarded.errors.length && checked.errors.length, "refused")
  assert.deepEqual([guarded.errors[0].message, guarded.errors[0].data], ["wrong token", { hint: "it is right" }])
  assert.equal(checked.errors[0].message, "not authorized")
  assert.ok(!guarded.active && !checked.active) // it does not try again by itself
  guarded.auth = { token: "right" }
  guarded.connect()
  await until(() => guarded.connected, "in with the right token")
}

async function is_sent_away({ connected }) {
  const socket = await connected()
  const id = socket.id
  socket.emit("send me away", false)
  await until(() => socket.reasons.length, "out")
  assert.deepEqual(socket.reasons, ["io server disconnect"])
  assert.ok(!socket.active)
  socket.connect()
  await until(() => socket.connected, "in again")
  assert.notEqual(socket.id, id)
}

async function knows_the_session({ connected }) {
  const user = unique("user")
  const { headers } = await get(`/login/${user}`)
  const cookie = headers["set-cookie"][0].split(";")[0]
  const socket = await connected("/", { extraHeaders: { cookie, "x-agent": "tests" } })
  const me = await socket.emitWithAck("who am i")
  assert.deepEqual(me, { user, rooms: [socket.id], agent: "tests" })
}

async function says_who_it_is({ connected }) {
  const socket = await connected("/", { auth: (give) => give({ announce: true, token: "x" }) })
  await until(() => heard(socket, "hello").length, "welcomed by name")
  assert.deepEqual(heard(socket, "hello"), [[{ announce: true, token: "x" }, false]])
}

async function hears_from_routes({ connected }) {
  const [socket, other] = await Promise.all([connected(), connected()])
  const room = unique("room")
  await socket.emitWithAck("/join", room)
  await post("/emit", { room, event: ["from a route", 1, { two: [3] }] })
  await post("/broadcast", { room, message: { plain: true } })
  await until(() => heard(socket, "message").length, "both")
  assert.deepEqual(heard(socket, "from a route"), [[1, { two: [3] }]])
  assert.deepEqual(heard(socket, "message"), [[{ plain: true }]])
  await other.emitWithAck("echo")
  assert.equal(heard(other, "from a route").length + heard(other, "message").length, 0)
}

async function is_recovered({ connected }) {
  const socket = await connected()
  const room = unique("room")
  await socket.emitWithAck("/join", room)
  await post("/emit", { room, event: ["heard", 0] })
  await until(() => heard(socket, "heard").length, "the first")
  const id = socket.id
  socket.io.reconnectionDelay(500)
  socket.io.engine.close() // the connection, and not the socket
  await until(() => socket.reasons.length, "cut off")
  for (const number of [1, 2, 3]) await post("/emit", { room, event: ["heard", number] })
  await until(() => socket.connected, "back")
  assert.equal(socket.id, id)
  assert.ok(socket.recovered)
  await post("/emit", { room, event: ["heard", 4] })
  await until(() => heard(socket, "heard").length >= 5, "all")
  assert.deepEqual(heard(socket, "heard").flat(), [0, 1, 2, 3, 4])
}

async function is_closed_for_a_message_that_is_too_large({ connected }) {
  const [socket, other] = await Promise.all([connected(), connected()])
  socket.emit("message", "x".repeat(300_000))
  await until(() => socket.reasons.length, "closed")
  await until(() => socket.connected, "and back")
  assert.equal(await other.emitWithAck("echo", "unharmed"), "unharmed")
  assert.deepEqual(other.reasons, [])
}

async function changes_to_a_websocket({ connected }) {
  const socket = await connected()
  await until(() => socket.io.engine.transport.name === "websocket", "upgraded")
  assert.equal(await socket.emitWithAck("echo", "after"), "after")
}

// As if another worker had got the request.
async function recovers_from_a_foreign_sid({ connected }) {
  const socket = await connected()
  const id = socket.id
  socket.io.engine.transport.query.sid = "of-another-worker"
  socket.emit("message", "lost")
  await until(() => socket.reasons.length, "nobody knows it")
  await until(() => socket.connected, "back")
  assert.deepEqual(socket.reasons, ["transport error"])
  assert.notEqual(socket.id, id)
  assert.equal(await socket.timeout(5000).emitWithAck("echo", "back"), "back")
}

// Alone: these end the server.

// A client that is cut off in the middle of an upgrade has paused its polling, and finds out with its ping timeout.
async function settled(sockets, mode) {
  const final = mode === "polling" ? "polling" : "websocket"
  await until(() => sockets.every((socket) => socket.io.engine.transport.name === final), "no upgrade is under way")
}

async function comes_back_after_a_restart({ connected, mode }) {
  const sockets = await Promise.all([connected(), connected(), connected()])
  await settled(sockets, mode)
  await ask("restart")
  await until(() => sockets.every((socket) => socket.reasons.length), "all were cut off", 20)
  await until(() => sockets.every((socket) => socket.connected), "all are back", 30)
  for (const socket of sockets) assert.equal(await socket.timeout(5000).emitWithAck("echo", 1), 1)
}

async function comes_back_after_a_crash({ connected, mode }) {
  const socket = await connected()
  await settled([socket], mode)
  await ask("crash")
  await until(() => socket.reasons.length && socket.connected, "back", 30)
  assert.equal(await socket.timeout(5000).emitWithAck("echo", 1), 1)
}

const everywhere = {
  chats,
  sends_binary_values,
  acknowledges_both_ways,
  retries_until_it_is_acknowledged,
  keeps_the_order,
  enters_namespaces,
  is_refused_with_a_reason,
  is_sent_away,
  knows_the_session,
  says_who_it_is,
  hears_from_routes,
  is_recovered,
  is_closed_for_a_message_that_is_too_large,
  comes_back_after_a_restart,
  comes_back_after_a_crash,
}

function scenario(name, mode, play) {
  return [
    `${name}:${mode}`,
    async () => {
      const made = clients(mode)
      try {
        await play(made)
      } finally {
        made.close()
      }
    },
  ]
}

const all = Object.entries(everywhere).flatMap(([name, play]) =>
  Object.keys(modes).map((mode) => scenario(name, mode, play))
)
all.push(scenario("changes_to_a_websocket", "default", changes_to_a_websocket))
all.push(scenario("recovers_from_a_foreign_sid", "polling", recovers_from_a_foreign_sid))
all.push(scenario("keeps_the_order_through_an_upgrade", "default", keeps_the_order_through_an_upgrade))

await main(Object.fromEntries(all))
