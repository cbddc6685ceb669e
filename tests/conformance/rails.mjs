// The stock @rails/actioncable, driven by the scenarios that all clients share and by a few of its own.

import assert from "node:assert/strict"
import { ConnectionMonitor, adapters, createConsumer } from "@rails/actioncable"
import { Heard, RecordingSocket, main, newURL, pings, post, stats, unique, until, untilStats, wireOf } from "./harness.mjs"
import { allHearOnce, shared, subscribedThrice } from "./scenarios.mjs"

const page = new EventTarget() // what the client wants of a browser, besides WebSocket
globalThis.addEventListener = page.addEventListener.bind(page)
globalThis.removeEventListener = page.removeEventListener.bind(page)
globalThis.document = { visibilityState: "visible" }
adapters.WebSocket = RecordingSocket

class Client {
  constructor(query, headers) {
    this.url = newURL(query, headers)
    this.wire = wireOf(this.url)
    this.consumer = createConsumer(this.url)
  }

  connect() {
    this.consumer.connect()
  }

  disconnect() {
    this.consumer.disconnect()
  }

  // Whether it will never try again.
  get stopped() {
    const { connection } = this.consumer
    return !connection.isActive() && !connection.monitor.isRunning()
  }

  subscribe(channel, params = {}) {
    const heard = new Heard()
    const subscription = this.consumer.subscriptions.create(
      { channel, ...params },
      {
        connected: ({ reconnected }) => heard.connected.push(reconnected),
        disconnected: () => heard.disconnected++,
        rejected: () => heard.rejected++,
        received: (message) => heard.received.push(message),
      },
    )
    return heard.with(subscription, () => subscription.unsubscribe())
  }
}

const driver = {
  client: (query, headers) => new Client(query, headers),
  // Stale after 6 s, by default; reconnecting takes one to three times that.
  hurry: () => (ConnectionMonitor.staleThreshold = 0.6),
}

async function duplicate_subscriptions() {
  const user = unique("ann")
  const client = new Client({ user })
  const [first, second, third] = await subscribedThrice(client)
  const commands = client.wire.commands("subscribe").length
  assert.ok(commands <= 4, `${commands} subscribe commands`) // one may be repeated while all are pending
  assert.deepEqual(await stats(user), { connects: 1, commands, "ChatChannel subscribed": 1 })

  await allHearOnce(client, [first, second, third])

  first.unsubscribe()
  second.unsubscribe()
  third.perform("speak", { text: "alone" })
  await until(() => third.received.length === 2, "the last one still hears")
  third.unsubscribe()
  await untilStats(user, "ChatChannel unsubscribed", 1)
}

async function falsy_messages() {
  const client = new Client({ user: unique("ann") })
  const room = unique("room")
  const echo = client.subscribe("EchoChannel")
  const chat = client.subscribe("ChatChannel", { room })
  await until(() => echo.connected.length && chat.connected.length, "connected")
  const values = [null, false, 0, "", [], {}]
  for (const value of values) echo.perform("echo", { value })
  await post("/broadcast", { stream: `chat:${room}`, messages: values })
  await until(() => echo.received.length >= 6 && chat.received.length >= 6, "six messages each")
  assert.deepEqual(echo.received, values)
  assert.deepEqual(chat.received, values)
}

// All defaults on both sides: the client looks for silence for the first time after 6 to 12 s.
async function an_idle_client_stays() {
  Math.random = () => 0 // jitter: look after 6 s
  const client = new Client({ user: unique("ann") })
  const echo = client.subscribe("EchoChannel")
  await pings(client, 3)
  const stamps = client.wire.ofType("ping").map((ping) => ping.message)
  assert.ok(stamps.at(-1) - stamps.at(0) >= 5, `pings at ${stamps}`)
  assert.equal(client.wire.sockets.length, 1)
  assert.deepEqual(echo.connected, [false])
}

async function a_visible_page_reconnects_at_once() {
  const user = unique("ann")
  const client = new Client({ user })
  const echo = client.subscribe("EchoChannel")
  await until(() => echo.connected.length, "connected")
  client.wire.sockets[0].terminate()
  await until(() => echo.disconnected, "disconnected")
  page.dispatchEvent(new Event("visibilitychange"))
  await until(() => echo.connected.length === 2, "connected again", 3)
  await untilStats(user, "disconnects", 1)
}

async function offers_more_protocols() {
  const client = new Client({ user: unique("ann") })
  client.consumer.addSubProtocol("a-token-perhaps")
  const echo = client.subscribe("EchoChannel")
  await until(() => echo.connected.length, "connected")
  assert.equal(client.wire.sockets[0].protocol, "actioncable-v1-json")
}

await main({
  ...shared(driver),
  duplicate_subscriptions,
  falsy_messages,
  an_idle_client_stays,
  a_visible_page_reconnects_at_once,
  offers_more_protocols,
})
