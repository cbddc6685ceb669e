// How the client opens, watches and opens again its WebSocket.

import assert from "node:assert/strict"
import { afterEach, beforeEach, test } from "node:test"
import { happen, latest, network, pass, reset, sleep, world } from "./world.mjs"

const { createConsumer } = await import("../../flask_cable/static/cable.js")

const PING = { type: "ping", message: 1 }
const WELCOME = { type: "welcome" }
let consumer

function connect(url, options) {
  consumer = createConsumer(url, options)
  consumer.connect()
  return latest()
}

// A connection that has been welcomed.
function welcomed(options) {
  const socket = connect("/cable", options)
  socket.accept().hear(WELCOME)
  return socket
}

const sockets = () => world.sockets.length

beforeEach(reset)
afterEach(() => consumer.disconnect())

test("it connects below the page, with ws for http", () => {
  assert.equal(connect("/live?x=1").url, "wss://shop.test/live?x=1")
  consumer.disconnect()
  assert.equal(connect("http://other.test/cable").url, "ws://other.test/cable")
  consumer.disconnect()
  assert.equal(connect("ws://other.test/cable").url, "ws://other.test/cable")
})

test("it finds the cable by the page's meta tag, or else at /cable", () => {
  assert.equal(connect().url, "wss://shop.test/cable")
  consumer.disconnect()
  world.meta = "/app/live"
  assert.equal(connect().url, "wss://shop.test/app/live")
})

test("a function is asked for the address each time", () => {
  let count = 0
  const socket = connect(() => `/cable?try=${++count}`)
  socket.lose()
  pass(1.5)
  assert.deepEqual(world.sockets.map(({ url }) => url.at(-1)), ["1", "2"])
})

test("it offers its own protocol before the stock one, and then what it was told to", () => {
  consumer = createConsumer("/cable")
  consumer.protocols.push("token.x")
  consumer.connect()
  const offered = ["flask-cable-v1-json", "actioncable-v1-json", "actioncable-unsupported", "token.x"]
  assert.deepEqual(latest().protocols, offered)
  assert.deepEqual(createConsumer("/cable").protocols, offered.slice(0, 3)) // what others offer is their own
})

test("connecting twice is connecting once", () => {
  connect()
  consumer.connect()
  assert.equal(sockets(), 1)
})

test("a server that speaks neither protocol is left for good", () => {
  for (const protocol of ["actioncable-unsupported", "", "graphql-ws"]) {
    const socket = connect()
    socket.accept(protocol)
    pass(100)
    assert.equal(latest(), socket)
    assert.equal(socket.readyState, 3)
  }
})

test("it stays while the server beats", () => {
  const socket = welcomed()
  for (let beat = 0; beat < 100; beat++) {
    pass(3)
    socket.hear(PING)
  }
  assert.equal(sockets(), 1)
  assert.equal(socket.readyState, 1)
})

test("any message is a sign of life", () => {
  const socket = welcomed()
  for (let count = 0; count < 10; count++) {
    pass(5)
    socket.hear({ identifier: "x", message: 1 })
  }
  assert.equal(sockets(), 1)
})

test("it gives up when two beats are missed", () => {
  const socket = welcomed()
  pass(6.2)
  assert.equal(socket.readyState, 1)
  pass(0.1)
  assert.equal(socket.readyState, 3)
  pass(1)
  assert.equal(sockets(), 2)
})

test("a longer beat is waited for", () => {
  const socket = welcomed({ pingInterval: 20_000 })
  pass(40)
  assert.equal(socket.readyState, 1)
  pass(1)
  assert.equal(socket.readyState, 3)
})

test("a handshake, and a welcome, may take longer than a beat", () => {
  const socket = connect()
  pass(18)
  assert.equal(socket.readyState, 0)
  pass(0.3)
  assert.equal(socket.readyState, 3)
  pass(1)
  latest().accept()
  pass(18.3)
  assert.equal(latest().readyState, 3)
})

test("each try waits twice as long as the last, with jitter, up to half a minute or so", () => {
  connect()
  for (const seconds of [1, 2, 4, 8, 16, 30, 30, 30]) {
    latest().lose()
    const before = sockets()
    pass(seconds - 0.01)
    assert.equal(sockets(), before)
    pass(0.02)
    assert.equal(sockets(), before + 1)
  }
})

test("two pages do not come back at the same moment", () => {
  for (const [random, earliest] of [[0, 0.5], [0.999, 1.499]]) {
    world.random = random
    const socket = welcomed()
    socket.hear({ type: "disconnect", reason: "server_restart", reconnect: true })
    pass(earliest - 0.01)
    assert.equal(latest(), socket)
    pass(0.02)
    assert.notEqual(latest(), socket)
    consumer.disconnect()
  }
})

test("only a connection that lasted makes it hopeful again", () => {
  welcomed().lose()
  pass(1)
  latest().accept().hear(WELCOME)
  latest().lose()
  pass(1.9)
  assert.equal(sockets(), 2)
  pass(0.2)
  latest().accept().hear(WELCOME)
  for (let beat = 0; beat < 11; beat++) {
    pass(3)
    latest().hear(PING)
  }
  latest().lose()
  pass(1)
  assert.equal(sockets(), 4)
})

test("sent away for good, it stays away until it is asked to connect", () => {
  for (const word of [{ reconnect: false }, {}]) {
    const socket = welcomed()
    socket.hear({ type: "disconnect", reason: "unauthorized", ...word })
    assert.equal(socket.readyState, 3)
    pass(100)
    happen("online")
    assert.equal(latest(), socket)
    consumer.connect()
    assert.notEqual(latest(), socket)
    consumer.disconnect()
  }
})

test("a page that is seen again tries at once", () => {
  welcomed().lose()
  document.hidden = true
  happen("visibilitychange")
  assert.equal(sockets(), 1)
  document.hidden = false
  happen("visibilitychange")
  assert.equal(sockets(), 2)
  happen("visibilitychange") // while it connects
  pass(5)
  assert.equal(sockets(), 2)
})

test("so does one that is online again, or shown again", () => {
  for (const name of ["online", "pageshow"]) {
    const socket = welcomed()
    socket.lose()
    happen(name)
    assert.notEqual(latest(), socket, name)
    consumer.disconnect()
  }
})

test("who is back is hopeful again", () => {
  connect()
  for (const seconds of [1, 2, 4, 8]) {
    latest().lose()
    pass(seconds)
  }
  latest().lose()
  happen("online")
  latest().lose()
  const before = sockets()
  pass(1)
  assert.equal(sockets(), before + 1)
})

test("it goes on trying while it is offline, though not more eagerly", () => {
  welcomed().lose()
  network.onLine = false
  happen("offline")
  assert.equal(sockets(), 1)
  pass(1)
  assert.equal(sockets(), 2) // a server of the same machine is there
})

test("when the network changes, the server has to be heard soon", () => {
  for (const name of ["online", "offline", "visibilitychange"]) {
    const socket = welcomed()
    happen(name)
    pass(4.7)
    assert.equal(socket.readyState, 1, name)
    pass(0.2)
    assert.equal(socket.readyState, 3, name)
    consumer.disconnect()
    const heard = welcomed()
    happen(name)
    pass(3)
    heard.hear(PING)
    pass(3)
    assert.equal(heard.readyState, 1, name)
    consumer.disconnect()
  }
})

test("after a short sleep what came meanwhile is heard first", () => {
  const socket = welcomed()
  sleep(60)
  happen("visibilitychange")
  pass(0.2) // the timers, all late, fire before the messages
  socket.hear(PING, PING)
  pass(5)
  assert.equal(socket.readyState, 1)
  assert.equal(sockets(), 1)
})

test("after a long sleep a dead connection is left at once", () => {
  const socket = welcomed()
  sleep(3600)
  happen("visibilitychange")
  pass(0.4)
  assert.equal(socket.readyState, 3)
  pass(1)
  assert.equal(sockets(), 2)
})

test("timers that slept are late, which alone is no reason to leave", () => {
  const socket = welcomed()
  sleep(60)
  pass(0)
  socket.hear(PING)
  pass(5)
  assert.equal(socket.readyState, 1)
})

test("what a socket says that was left is not heard", () => {
  const socket = welcomed()
  pass(6.3)
  assert.equal(socket.readyState, 3)
  assert.deepEqual([socket.onmessage, socket.onclose, socket.onopen], [null, null, null])
})

test("connecting anew begins with hope", () => {
  connect()
  for (const seconds of [1, 2, 4]) {
    latest().lose()
    pass(seconds)
  }
  consumer.disconnect()
  consumer.connect()
  latest().lose()
  const before = sockets()
  pass(1)
  assert.equal(sockets(), before + 1)
})

test("disconnecting leaves nothing behind", () => {
  const socket = welcomed()
  consumer.disconnect()
  assert.equal(socket.readyState, 3)
  assert.equal(world.timers.size, 0)
  for (const name of ["visibilitychange", "online", "pageshow"]) happen(name)
  assert.equal(sockets(), 1)
  consumer.disconnect()
})

test("disconnecting while it waits to try again ends that", () => {
  welcomed().lose()
  consumer.disconnect()
  pass(100)
  assert.equal(sockets(), 1)
})

test("another class of WebSocket may be given", () => {
  class Mine extends WebSocket {}
  assert.ok(connect("/cable", { WebSocket: Mine }) instanceof Mine)
})
