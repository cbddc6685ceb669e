// The stock @anycable/core, driven by the scenarios that all clients share and by a few of its own.

import assert from "node:assert/strict"
import { SubscriptionRejectedError, createCable } from "@anycable/core"
import { Heard, RecordingSocket, get, main, newURL, pings, post, stats, unique, until, untilStats, wireOf } from "./harness.mjs"
import { allHearOnce, shared, subscribedThrice } from "./scenarios.mjs"

let options = {}

class Client {
  constructor(query, headers) {
    this.url = newURL(query, headers)
    this.wire = wireOf(this.url)
    this.cable = createCable(this.url, { websocketImplementation: RecordingSocket, ...options })
  }

  connect() {
    this.cable.connect().catch(() => {}) // its state tells
  }

  disconnect() {
    this.cable.disconnect()
  }

  // Whether it will never try again.
  get stopped() {
    return this.cable.state === "closed"
  }

  subscribe(channel, params = {}) {
    const heard = new Heard()
    const subscription = this.cable.subscribeTo(channel, params)
    subscription.on("connect", ({ reconnect }) => heard.connected.push(reconnect))
    subscription.on("disconnect", () => heard.disconnected++)
    subscription.on("close", (error) => (heard.rejected += error instanceof SubscriptionRejectedError))
    subscription.on("message", (message) => heard.received.push(message))
    if (subscription.state === "connected") heard.connected.push(false) // joined one that was there
    return heard.with(subscription, () => subscription.disconnect())
  }
}

const driver = {
  client: (query, headers) => new Client(query, headers),
  // By default it waits for 3 s and more before it tries again.
  hurry: () => (options = { pingInterval: 500, reconnectStrategy: () => 200 }),
}

async function duplicate_subscriptions() {
  const user = unique("ann")
  const client = new Client({ user })
  const all = await subscribedThrice(client)
  assert.equal(client.wire.commands("subscribe").length, 1)
  assert.deepEqual(await stats(user), { connects: 1, commands: 1, "ChatChannel subscribed": 1 })

  await allHearOnce(client, all)
}

// This client takes a confirmation that it does not wait for as a reason to unsubscribe.
async function a_repeated_subscribe_is_not_confirmed_again() {
  const user = unique("ann")
  const client = new Client({ user })
  const echo = client.subscribe("EchoChannel")
  await until(() => echo.connected.length, "connected")
  client.cable.send({ command: "subscribe", identifier: echo.identifier })
  await untilStats(user, "commands", 2)
  await pings(client)
  assert.equal(client.wire.ofType("confirm_subscription").length, 1)
  assert.equal(client.wire.commands("unsubscribe").length, 0)
  await echo.perform("echo", { value: "still here" })
  await until(() => echo.received.length, "an answer")
}

async function falsy_messages_are_sent() {
  const client = new Client({ user: unique("ann") })
  const echo = client.subscribe("EchoChannel")
  await until(() => echo.connected.length, "connected")
  const values = [null, false, 0, "", "last"]
  for (const value of values) await echo.perform("echo", { value })
  await until(() => echo.received.includes("last"), "the last message")
  assert.deepEqual(echo.received, ["last"]) // the client drops the others itself
  const onTheWire = client.wire.received.filter((body) => body.identifier && !body.type)
  assert.deepEqual(onTheWire.map((body) => body.message), values)
}

async function subscribes_again_after_unsubscribing() {
  const user = unique("ann")
  const client = new Client({ user })
  const room = { room: unique("room") }
  const before = client.subscribe("ChatChannel", room)
  await until(() => before.connected.length, "connected")
  before.unsubscribe()
  const after = client.subscribe("ChatChannel", room)
  await until(() => after.connected.length, "connected again")
  await after.perform("speak", { text: "back" })
  await until(() => after.received.length, "an answer")
  assert.equal((await stats(user))["ChatChannel subscribed"], 1 + client.wire.commands("unsubscribe").length)
}

async function hears_a_stream_by_its_signed_name() {
  const client = new Client({ user: unique("ann") })
  const stream = unique("news")
  const { name } = JSON.parse((await get(`/sign/${stream}`)).text)
  const heard = []
  const channel = client.cable.streamFromSigned(name)
  channel.on("message", (message) => heard.push(message))
  const forged = client.cable.streamFromSigned(name.slice(0, -1) + (name.endsWith("0") ? "1" : "0"))
  const refused = new Promise((resolve) => forged.on("close", resolve))
  await until(() => channel.state === "connected", "connected")
  assert.ok((await refused) instanceof SubscriptionRejectedError)
  await post("/broadcast", { stream, messages: [{ text: "hi" }] })
  await until(() => heard.length, "the message")
  assert.deepEqual(heard, [{ text: "hi" }])
}

await main({
  ...shared(driver),
  duplicate_subscriptions,
  a_repeated_subscribe_is_not_confirmed_again,
  falsy_messages_are_sent,
  subscribes_again_after_unsubscribing,
  hears_a_stream_by_its_signed_name,
})
