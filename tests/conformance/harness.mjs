// What the scenarios stand on: a WebSocket that writes down every frame, waiting with a deadline, the server's own
// account over HTTP, and a line to the test that started this process. Knows no client.

import { randomBytes } from "node:crypto"
import { request } from "node:http"
import { createInterface } from "node:readline"
import { WebSocket } from "ws"

export const base = process.env.CABLE_TEST_SERVER // http://127.0.0.1:8000

const wires = new Map()

// What went over all sockets that were opened to one URL.
export class Wire {
  constructor(headers) {
    this.headers = headers
    this.frames = []
    this.sockets = []
  }

  get sent() {
    return this.frames.filter((frame) => frame.sent).map((frame) => frame.body)
  }

  get received() {
    return this.frames.filter((frame) => !frame.sent).map((frame) => frame.body)
  }

  ofType(type) {
    return this.received.filter((body) => body.type === type)
  }

  commands(command) {
    return this.sent.filter((body) => body.command === command)
  }

  record(sent, text) {
    this.frames.push({ sent, body: JSON.parse(text), text })
  }

  toString() {
    const lines = this.frames.map(({ sent, text }) => `${sent ? "->" : "<-"} ${shorten(text)}`)
    return [`${this.sockets.length} sockets`, ...lines.slice(-40)].join("\n")
  }
}

function shorten(text) {
  return text.length > 160 ? `${text.slice(0, 160)}... (${text.length})` : text
}

// A URL that no other client has, with an empty wire behind it.
export function newURL(query, headers = {}) {
  const url = `${base.replace("http", "ws")}/cable?${new URLSearchParams(query)}`
  wires.set(url, new Wire(headers))
  return url
}

export function wireOf(url) {
  return wires.get(url)
}

// `ws` as a browser would use it: with the Origin of the server's own pages.
export class RecordingSocket extends WebSocket {
  constructor(url, protocols) {
    const wire = wireOf(url)
    super(url, protocols, { origin: base, headers: wire.headers })
    this.wire = wire
    wire.sockets.push(this)
    this.on("message", (data) => wire.record(false, data.toString()))
  }

  send(text, ...rest) {
    this.wire.record(true, text)
    super.send(text, ...rest)
  }
}

export function unique(word) {
  return `${word}-${randomBytes(6).toString("hex")}`
}

// What a subscription has told, and what may be done with it: a client fills it in by the client's own callbacks.
export class Heard {
  connected = []
  disconnected = 0
  rejected = 0
  received = []

  with(subscription, unsubscribe) {
    return Object.assign(this, {
      identifier: subscription.identifier,
      perform: (action, data) => subscription.perform(action, data),
      send: (data) => subscription.send(data),
      unsubscribe,
    })
  }
}

// Resolves with the condition's first true value.
export async function until(condition, what, seconds = 10) {
  const end = performance.now() + seconds * 1000
  for (;;) {
    const value = await condition()
    if (value) return value
    if (performance.now() > end) throw new Error(`not within ${seconds} s: ${what}`)
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
}

// Resolves when `client` has heard that many more pings, one each 0.2 s. Seven take more than 1.2 s: time enough for
// what must not happen, such as the Rails client's asking again each 0.5 s.
export async function pings(client, count = 7) {
  const before = client.wire.ofType("ping").length
  await until(() => client.wire.ofType("ping").length >= before + count, `${count} pings`, 30)
}

export function get(path) {
  return http("GET", path)
}

export function post(path, body = {}) {
  return http("POST", path, body)
}

function http(method, path, body) {
  const headers = { "Content-Type": "application/json" }
  return new Promise((resolve, reject) => {
    const sending = request(base + path, { method, headers, agent: false }, (response) => {
      let text = ""
      response.setEncoding("utf8")
      response.on("data", (piece) => (text += piece))
      response.on("end", () => {
        const failed = response.statusCode >= 400
        if (failed) reject(new Error(`${method} ${path}: ${response.statusCode} ${text}`))
        else resolve({ headers: response.headers, text })
      })
    })
    sending.on("error", reject)
    sending.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

// What the server counted for one user: { connects: 1, "ChatChannel subscribed": 1, ... }
export async function stats(user) {
  return JSON.parse((await get(`/stats/${encodeURIComponent(user)}`)).text)
}

export async function untilStats(user, what, count) {
  await until(async () => ((await stats(user))[what] ?? 0) === count, `${what} is ${count} for ${user}`)
}

const answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]()

// Lets the test do what only it can: "restart" or "crash" the server.
export async function ask(wish) {
  process.stdout.write(`${JSON.stringify({ ask: wish })}\n`)
  await answers.next()
}

// Plays the scenario that the command line names; without a name, lists them.
export async function main(scenarios) {
  const name = process.argv[2]
  if (name === undefined) {
    process.stdout.write(`${Object.keys(scenarios).join("\n")}\n`)
    process.exit()
  }
  try {
    await scenarios[name]()
    process.exit()
  } catch (error) {
    process.stdout.write(`${error.stack}\n`)
    for (const [url, wire] of wires) process.stdout.write(`--- ${url}\n${wire}\n`)
    process.exit(1)
  }
}
