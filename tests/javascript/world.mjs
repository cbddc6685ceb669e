// A browser's page without a browser: time that is moved by hand, sockets that a test speaks through, events.
// Import it before cable.js.

const page = new EventTarget()

export const world = { now: 1_000_000, random: 0.5, meta: undefined, timers: new Map(), sockets: [], listeners: 0 }

let ids = 0
globalThis.setTimeout = (callback, delay) => {
  world.timers.set(++ids, { callback, at: world.now + delay })
  return ids
}
globalThis.clearTimeout = (id) => world.timers.delete(id)
Date.now = () => world.now
Math.random = () => world.random

globalThis.addEventListener = (...args) => page.addEventListener(...args)
globalThis.removeEventListener = (...args) => page.removeEventListener(...args)
globalThis.document = {
  hidden: false,
  baseURI: "https://shop.test/rooms/7",
  body: { dataset: { socketConnectionId: "abc" } },
  querySelector: (selector) =>
    selector === "meta[name=action-cable-url]" && world.meta ? { content: world.meta } : null,
}
globalThis.customElements = { get: () => true }
export const network = { onLine: true }
Object.defineProperty(globalThis, "navigator", { value: network, configurable: true })

export class FakeSocket {
  readyState = 0
  protocol = ""
  sent = []

  constructor(url, protocols) {
    Object.assign(this, { url, protocols })
    world.sockets.push(this)
  }

  accept(protocol = "flask-cable-v1-json") {
    this.readyState = 1
    this.protocol = protocol
    this.onopen?.({})
    return this
  }

  hear(...frames) {
    for (const frame of frames) this.onmessage?.({ data: JSON.stringify(frame) })
  }

  lose() {
    this.readyState = 3
    this.onclose?.({})
  }

  send(text) {
    if (this.readyState !== 1) throw new Error("not open")
    this.sent.push(JSON.parse(text))
  }

  close() {
    this.readyState = 3
  }

  // What was sent since this was last asked.
  take() {
    return this.sent.splice(0)
  }
}
globalThis.WebSocket = FakeSocket

// Everything as at first; a client of an earlier test must have been disconnected.
export function reset() {
  if (world.timers.size) throw new Error(`${world.timers.size} timers are left`)
  world.sockets.length = 0
  world.random = 0.5
  world.meta = undefined
  document.hidden = false
  network.onLine = true
}

export const latest = () => world.sockets.at(-1)

// Time passes: timers fire in their order.
export function pass(seconds) {
  const end = world.now + seconds * 1000
  for (;;) {
    const due = [...world.timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at)[0]
    if (!due) break
    world.now = Math.max(world.now, due[1].at)
    world.timers.delete(due[0])
    due[1].callback()
  }
  world.now = end
}

// The page sleeps: time passes and no timer fires.
export const sleep = (seconds) => (world.now += seconds * 1000)

export const happen = (name) => page.dispatchEvent(new Event(name))

// What promises had to say has been said.
export const settled = () => new Promise((resolve) => setImmediate(resolve))

export const outcome = async (promise) => {
  let found = "pending"
  promise.then(
    (value) => (found = { value }),
    (error) => (found = error.code ?? error),
  )
  await settled()
  return found
}

// What promises are rejected with, meanwhile, that nobody looks at: what a browser would report.
export async function unhandled(act) {
  const listeners = process.listeners("unhandledRejection")
  const errors = []
  process.removeAllListeners("unhandledRejection")
  process.on("unhandledRejection", (error) => errors.push(error.message))
  await act()
  await settled()
  process.removeAllListeners("unhandledRejection")
  for (const listener of listeners) process.on("unhandledRejection", listener)
  return errors
}
