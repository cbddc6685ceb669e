// The socket of a page.

import assert from "node:assert/strict"
import { afterEach, beforeEach, test } from "node:test"
import { happen, latest, outcome, pass, reset, unhandled, world } from "./world.mjs"

const { PageSocket, socket: own } = await import("../../flask_cable/static/cable.js")

let page

beforeEach(() => {
  reset()
  page = new PageSocket("/cable/socket?socket_connection_id=abc")
})
afterEach(() => {
  page.disconnect()
  own.disconnect()
  assert.equal(world.timers.size, 0)
})

test("the page's own connects when it is used, with what the body says it is", () => {
  assert.equal(world.sockets.length, 0)
  world.meta = "/app/cable"
  own.on("news", () => {})
  assert.equal(latest().url, "wss://shop.test/app/cable/socket?socket_connection_id=abc")
})

test("the cable may be at a path that ends in a slash, the root's too", () => {
  for (const [meta, url] of [["/live/", "/live/socket"], ["/", "/socket"], ["wss://other.test/", "/socket"]]) {
    world.meta = meta
    own.connect()
    const { pathname, search } = new URL(latest().url)
    assert.deepEqual([pathname, search], [url, "?socket_connection_id=abc"])
    own.disconnect()
  }
})

test("a channel is heard by who listens to it", () => {
  const heard = []
  const off = page.on("news", (payload, channel) => heard.push([payload, channel]))
  const socket = latest().accept("")
  assert.deepEqual(socket.sent, [])
  socket.hear({ payload: { a: 1 }, channel: "news" }, { payload: 2, channel: "sports" }, { payload: null, channel: "news" })
  assert.deepEqual(heard, [[{ a: 1 }, "news"], [null, "news"]])
  off()
  socket.hear({ payload: 3, channel: "news" })
  assert.equal(heard.length, 2)
})

test("a pattern is a glob", () => {
  const matches = (pattern, channel) => {
    let heard = false
    const off = page.on(pattern, () => (heard = true))
    latest().hear({ payload: 1, channel })
    off()
    return heard
  }
  for (const [pattern, channel] of [
    ["*", "any\nthing"],
    ["room:*", "room:7"],
    ["room:*:news", "room:7:8:news"],
    ["room:**", "room:7"],
    ["*7", "room:7"],
    ["a.b+(c)[d]$^|\\/{}?", "a.b+(c)[d]$^|\\/{}?"],
    ["漢字 😀", "漢字 😀"],
  ])
    assert.ok(matches(pattern, channel), `${pattern} is ${channel}`)
  for (const [pattern, channel] of [
    ["room", "room:7"],
    ["room:?", "room:7"],
    ["room:*", "room:7;news"],
    ["a.b", "aXb"],
    ["oom*", "room"],
  ])
    assert.ok(!matches(pattern, channel), `${pattern} is not ${channel}`)
})

test("a listener that throws stops nobody", async () => {
  const heard = []
  page.on("news", () => {
    throw new Error("oh")
  })
  page.on("news", (payload) => heard.push(payload))
  const reported = await unhandled(() => latest().accept("").hear({ payload: 1, channel: "news" }))
  assert.deepEqual([heard, reported], [[1], ["oh"]])
})

test("what is sent before the socket is open waits; replies are known by their id", async () => {
  const [first, second] = [page.send("greet", { name: "ann", id: "mine" }), page.send("count")]
  const socket = latest().accept("")
  const [one, two] = socket.take()
  assert.deepEqual(one, { name: "ann", action: "greet", id: one.id })
  assert.deepEqual(two, { action: "count", id: two.id })
  socket.hear({ id: two.id, number: 7 }, { id: one.id, body: "hello" })
  assert.deepEqual(await outcome(first), { value: { id: one.id, body: "hello" } })
  assert.deepEqual(await outcome(second), { value: { id: two.id, number: 7 } })
})

test("a route is called like a page is fetched: its status is no failure", async () => {
  const called = page.call("/missing")
  const other = page.call("/say", { method: "post", input: { text: "hi" } })
  const socket = latest().accept("")
  const [one, two] = socket.take()
  assert.deepEqual(one, { action: "call-route", uri: "/missing", id: one.id })
  assert.deepEqual(two, { action: "call-route", uri: "/say", method: "post", input: { text: "hi" }, id: two.id })
  const answer = { id: one.id, status: 404, headers: { "Content-Type": "text/html" }, body: "no" }
  socket.hear(answer)
  assert.deepEqual(await outcome(called), { value: answer })
  assert.equal(await outcome(other), "pending")
})

test("it reconnects as the same page", async () => {
  page.on("news", () => {})
  const first = latest().accept("")
  const lost = page.send("greet")
  first.lose()
  const kept = page.send("greet", { again: true })
  assert.equal(await outcome(lost), "disconnected")
  pass(1)
  const second = latest().accept("")
  assert.equal(second.url, first.url)
  const [{ id, ...rest }] = second.take()
  assert.deepEqual(rest, { again: true, action: "greet" })
  second.hear({ id, body: "hello again" })
  assert.deepEqual(await outcome(kept), { value: { id, body: "hello again" } })
})

test("what waits is bounded", async () => {
  const sent = Array.from({ length: 101 }, (_, n) => page.send("x", { n }))
  assert.equal(await outcome(sent[99]), "pending")
  assert.equal(await outcome(sent[100]), "full")
  assert.equal(latest().accept("").take().length, 100)
})

test("after a silence it asks whether somebody is there", () => {
  page.on("news", () => {})
  const socket = latest().accept("")
  socket.hear({ payload: 1, channel: "news" })
  for (let count = 0; count < 3; count++) {
    pass(24.9)
    assert.deepEqual(socket.take(), [])
    pass(0.2)
    const [{ id, action }] = socket.take()
    assert.equal(action, "ping")
    socket.hear({ id, status: 200, headers: {}, body: "pong" })
  }
  pass(29.9)
  assert.equal(socket.readyState, 1)
  pass(0.2)
  assert.equal(socket.readyState, 3)
})

test("when the network changes, it asks at once", () => {
  page.on("news", () => {})
  const socket = latest().accept("")
  happen("online")
  assert.deepEqual(socket.take().map(({ action }) => action), ["ping"])
  pass(15)
  assert.equal(socket.readyState, 3)
})

test("its owner is told when it comes and goes, and when nobody knows the page any more", () => {
  const told = []
  for (const name of ["connected", "disconnected", "expired"]) page[`on${name}`] = (news) => told.push([name, news])
  page.on("*", (payload) => told.push(payload))
  const first = latest().accept("")
  first.hear({ type: "expired" })
  first.lose()
  pass(1)
  latest().lose() // never opened
  pass(2)
  latest().accept("").hear({ type: "disconnect", reason: "remote", reconnect: false })
  assert.deepEqual(told, [
    ["connected", undefined],
    ["expired", undefined],
    ["disconnected", { willAttemptReconnect: true, reason: undefined }],
    ["connected", undefined],
    ["disconnected", { willAttemptReconnect: false, reason: "remote" }],
  ])
  pass(100)
  assert.equal(world.sockets.length, 3)
})

test("sent away for now, it comes back", () => {
  page.on("news", () => {})
  latest().accept("").hear({ type: "disconnect", reason: "server_restart", reconnect: true })
  pass(1)
  assert.equal(world.sockets.length, 2)
})

test("a refusal is told by its code", async () => {
  const sent = page.send("no-such-action")
  const socket = latest().accept("")
  socket.hear({ id: socket.sent[0].id, status: 404, error: "unknown_action" })
  assert.equal(await outcome(sent), "unknown_action")
})

test("what it does not know is no matter", () => {
  const heard = []
  page.on("*", (payload, channel) => heard.push(channel))
  latest().accept("").hear({}, { any: "thing" }, { id: 99, body: "whose?" }, { type: "other" }, { channel: "news" })
  assert.deepEqual(heard, ["news"])
})
