// Our own client, driven by the scenarios that all clients share and by a few of its own.

import assert from "node:assert/strict"
import { createConsumer } from "../../flask_cable/static/cable.js"
import { Heard, RecordingSocket, main, newURL, pings, stats, unique, until, untilStats, wireOf } from "./harness.mjs"
import { shared } from "./scenarios.mjs"

let options = {}

class Client {
  constructor(query, headers) {
    this.url = newURL(query, headers)
    this.wire = wireOf(this.url)
    this.consumer = createConsumer(this.url, { WebSocket: RecordingSocket, ...options })
  }

  connect() {
    this.consumer.connect()
  }

  disconnect() {
    this.consumer.disconnect()
    this.stopped = true
  }

  subscribe(channel, params = {}, options = {}) {
    const heard = new Heard()
    const subscription = this.consumer.subscriptions.create(
      { channel, ...params },
      {
        connected: ({ reconnected }) => heard.connected.push(reconnected),
        disconnected: ({ willAttemptReconnect }) => {
          heard.disconnected++
          this.stopped = !willAttemptReconnect
        },
        rejected: () => heard.rejected++,
        received: (message) => heard.received.push(message),
      },
      options,
    )
    return heard.with(subscription, () => subscription.unsubscribe())
  }
}

const driver = {
  client: (query, headers) => new Client(query, headers),
  protocol: "flask-cable-v1-json",
  // It tries again after a second or so: a crash is found at once, a silence in the time of two beats.
  hurry: () => (options = { pingInterval: 500 }),
}

async function subscribed(channel, params, options) {
  const user = unique("ann")
  const client = new Client({ user })
  const subscription = client.subscribe(channel, params, options)
  await until(() => subscription.connected.length, `${user} is connected to ${channel}`)
  return [client, subscription, user]
}

async function replies() {
  const [client, ask] = await subscribed("AskChannel")
  const [sum, nothing, text] = await Promise.all([
    ask.perform("add", { numbers: [1, 2, 39] }),
    ask.perform("nothing"),
    ask.send({ "漢字": "😀" }),
  ])
  assert.deepEqual([sum, nothing, text], [{ sum: 42 }, null, { "漢字": "😀" }])
  for (const [action, code] of [["fail", "failed"], ["no_such", "unknown_action"], ["connect", "unknown_action"]])
    await assert.rejects(ask.perform(action), { code })
  ask.unsubscribe()
  await assert.rejects(ask.perform("nothing"), { code: "unsubscribed" })
  assert.ok(!JSON.stringify(client.wire.received).includes("on purpose"))
}

async function many_replies() {
  const [, ask] = await subscribed("AskChannel")
  const sums = await Promise.all(
    Array.from({ length: 1000 }, (_, number) => ask.perform("add", { numbers: [number, number] })),
  )
  assert.deepEqual(sums, Array.from({ length: 1000 }, (_, number) => ({ sum: 2 * number })))
}

async function no_replies_where_they_are_not_spoken() {
  const user = unique("ann")
  const client = new Client({ user })
  client.consumer.protocols.shift()
  const ask = client.subscribe("AskChannel")
  await until(() => ask.connected.length, "connected")
  assert.equal(await ask.perform("add", { numbers: [1] }), undefined)
  assert.equal(await ask.perform("no_such"), undefined)
  await pings(client)
  assert.deepEqual(client.wire.ofType("reply"), [])
  assert.ok(client.wire.commands("message").every((command) => !("id" in command)))
}

async function buffered_until_confirmed() {
  const client = new Client({ user: unique("ann") })
  const echo = client.subscribe("EchoChannel", {}, { buffer: 100 })
  const values = Array.from({ length: 100 }, (_, number) => number)
  const performed = values.map((value) => echo.perform("echo", { value }))
  await assert.rejects(echo.perform("echo", { value: "one too many" }), { code: "full" })
  await Promise.all(performed)
  assert.deepEqual(echo.received, values)
}

async function duplicate_subscriptions() {
  const room = { room: unique("room") }
  const [client, first, user] = await subscribed("ChatChannel", room)
  const second = client.subscribe("ChatChannel", room)
  await until(() => second.connected.length, "the late one is connected")
  await pings(client)
  assert.equal(client.wire.commands("subscribe").length, 1)
  second.perform("speak", { text: "once" })
  await until(() => first.received.length && second.received.length, "both hear it")
  await pings(client, 1)
  assert.deepEqual([first.received.length, second.received.length], [1, 1])
  first.unsubscribe()
  second.perform("speak", { text: "alone" })
  await until(() => second.received.length === 2, "the other one still hears")
  second.unsubscribe()
  await untilStats(user, "ChatChannel unsubscribed", 1)
  assert.equal((await stats(user))["ChatChannel subscribed"], 1)
}

// The server confirms again to a client that repeats itself; this one tells nobody twice.
async function a_second_confirmation_is_no_news() {
  const [client, echo] = await subscribed("EchoChannel")
  client.consumer.transmit({ command: "subscribe", identifier: echo.identifier })
  await until(() => client.wire.ofType("confirm_subscription").length === 2, "a second confirmation")
  await pings(client)
  assert.deepEqual(echo.connected, [false])
  assert.equal(client.wire.commands("unsubscribe").length, 0)
}

async function subscribes_again_after_unsubscribing() {
  const room = { room: unique("room") }
  const [client, before, user] = await subscribed("ChatChannel", room)
  before.unsubscribe()
  const after = client.subscribe("ChatChannel", room)
  await until(() => after.connected.length, "connected again")
  after.perform("speak", { text: "back" })
  await until(() => after.received.length, "an answer")
  assert.equal(before.received.length, 0)
  assert.equal((await stats(user))["ChatChannel subscribed"], 2)
}

async function falsy_messages() {
  const [, echo] = await subscribed("EchoChannel")
  const values = [null, false, 0, "", [], {}]
  for (const value of values) echo.perform("echo", { value })
  await until(() => echo.received.length >= 6, "six messages")
  assert.deepEqual(echo.received, values)
}

// All defaults on both sides: two missed beats are six seconds.
async function an_idle_client_stays() {
  const client = new Client({ user: unique("ann") })
  const echo = client.subscribe("EchoChannel")
  await pings(client, 3)
  assert.equal(client.wire.sockets.length, 1)
  assert.deepEqual(echo.connected, [false])
}

await main({
  ...shared(driver),
  replies,
  many_replies,
  no_replies_where_they_are_not_spoken,
  buffered_until_confirmed,
  duplicate_subscriptions,
  a_second_confirmation_is_no_news,
  subscribes_again_after_unsubscribing,
  falsy_messages,
  an_idle_client_stays,
})
