// What an editor knows of cable.js. Compiled, never run: each @ts-expect-error is an error that has to be found.

import { PageSocket, consumer, createConsumer, renderStream, socket } from "../../flask_cable/static/cable.js"

const own = createConsumer(() => "/cable", { pingInterval: 3000, timeout: 10_000, WebSocket })
const chat = own.subscriptions.create(
  { channel: "ChatChannel", room: 7 },
  {
    initialized() {},
    connected({ reconnected }) {
      const first: boolean = !reconnected
      this.perform("speak", { first })
    },
    disconnected({ willAttemptReconnect, reason }) {
      const words: string = willAttemptReconnect ? "wait" : (reason ?? "gone")
      console.log(words)
    },
    rejected() {},
    received(message) {
      console.log(message.text)
    },
  },
  { buffer: 10 },
)
const { number } = await chat.perform("speak", { text: "hi" })
await chat.send({ number })
console.log(chat.identifier.length)
chat.unsubscribe()
own.disconnect()
consumer.subscriptions.create("ClockChannel")

const off = socket.on("room:*", (payload, channel) => console.log(payload, channel.length))
off()
const { status, headers, body } = await socket.call("/greet", { method: "post", input: { name: "ann" } })
console.log(status.toFixed(), headers["Content-Type"], body.trim())
console.log((await socket.send("count", { by: 2 })).total)
new PageSocket("/cable/socket").disconnect()
renderStream("<turbo-stream></turbo-stream>")

// @ts-expect-error an address is text
createConsumer(7)
// @ts-expect-error milliseconds are a number
createConsumer("/cable", { timeout: "long" })
// @ts-expect-error `reconnected` it is
own.subscriptions.create("A", { connected: ({ reconected }) => reconected })
// @ts-expect-error how many is a number
own.subscriptions.create("A", {}, { buffer: "all" })
// @ts-expect-error an action has a name
chat.perform({ text: "hi" })
// @ts-expect-error a channel has a name
socket.on(/room/, () => {})
// @ts-expect-error a status is a number
status.trim()
