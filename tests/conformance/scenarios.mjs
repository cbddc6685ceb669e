// What every Action Cable client must meet. A driver makes clients: they connect, subscribe and write down what they
// are told, and `hurry` shortens the client's own timers before clients are made. `protocol` is what they choose.

import assert from "node:assert/strict"
import { ask, base, pings, post, stats, unique, until, untilStats } from "./harness.mjs"

const WORDS = [
  "plain",
  "😀 👩‍👩‍👧‍👦 🏳️‍🌈",
  "漢字かな交じり文 한국어",
  "שלום עולם، مرحبا بالعالم",
  "e\u0301 é \u00a0 \ufeff \ufffd",
  'quotes " \\" \' and \\ back \\\\ slashes \\u0041 / \\/',
  "\b \f \n \r \t \v \u0001 \u001f \u007f",
  "line\u2028paragraph\u2029end",
  "</script><!-- & -->",
  "half of \ud83d a pair",
]

// Three subscriptions to one room: two at once, and one when they are confirmed.
export async function subscribedThrice(client) {
  const room = { room: unique("room") }
  const first = client.subscribe("ChatChannel", room)
  const second = client.subscribe("ChatChannel", room)
  await until(() => first.connected.length && second.connected.length, "both are connected")
  const third = client.subscribe("ChatChannel", room)
  await until(() => third.connected.length, "the late one is connected")
  await pings(client)
  return [first, second, third]
}

export async function allHearOnce(client, all) {
  all.at(-1).perform("speak", { text: "once" })
  await until(() => all.every((one) => one.received.length), "all hear it")
  await pings(client, 1)
  assert.deepEqual(all.map((one) => one.received.length), all.map(() => 1))
}

export function shared(driver) {
  const client = (user, headers) => driver.client(user ? { user } : {}, headers)

  async function subscribed(user, channel, params) {
    const one = client(user)
    const subscription = one.subscribe(channel, params)
    await until(() => subscription.connected.length, `${user} is connected to ${channel}`)
    return [one, subscription]
  }

  // A second client, with nothing wrong, whose pings tell that time has passed for the first.
  async function timeForMore() {
    const [bystander] = await subscribed(unique("bystander"), "EchoChannel")
    await pings(bystander)
  }

  const broadcast = (room, ...messages) => post("/broadcast", { stream: `chat:${room}`, messages })

  const answers = async (subscription, word) => {
    subscription.perform("echo", { value: { word } })
    await until(() => subscription.received.some((one) => one?.word === word), `the echo of ${word}`)
  }

  async function connects() {
    const user = unique("ann")
    const ann = client(user)
    ann.connect()
    await pings(ann, 2)
    assert.equal(ann.wire.sockets[0].protocol, driver.protocol ?? "actioncable-v1-json")
    assert.equal(ann.wire.sockets[0].extensions, "")
    assert.deepEqual(ann.wire.received[0], { type: "welcome" })
    const { message, ...rest } = ann.wire.received[1]
    assert.deepEqual(rest, { type: "ping" })
    assert.ok(Number.isInteger(message) && Math.abs(message - Date.now() / 1000) < 10, `a ping of ${message}`)
    assert.deepEqual(await stats(user), { connects: 1 })
    ann.disconnect()
    await untilStats(user, "disconnects", 1)
  }

  async function confirms() {
    const user = unique("ann")
    const [ann, chat] = await subscribed(user, "ChatChannel", { room: unique("room"), extra: [1, { two: null }] })
    assert.deepEqual(chat.connected, [false])
    const { identifier } = ann.wire.commands("subscribe")[0]
    assert.deepEqual(ann.wire.ofType("confirm_subscription"), [{ identifier, type: "confirm_subscription" }])
    assert.equal((await stats(user))["ChatChannel subscribed"], 1)
  }

  async function rejects() {
    const user = unique("ann")
    const [ann, echo] = await subscribed(user, "EchoChannel")
    const refused = ann.subscribe("RefusingChannel")
    await until(() => refused.rejected, "a rejection")
    const { identifier } = ann.wire.commands("subscribe")[1]
    const about = ann.wire.received.filter((body) => body.identifier === identifier)
    assert.deepEqual(about, [
      { identifier, message: { sorry: true } },
      { identifier, type: "reject_subscription" },
    ])
    await staysRefused(user, ann, refused, echo)
  }

  async function unknown_channel() {
    const user = unique("ann")
    const [ann, echo] = await subscribed(user, "EchoChannel")
    const refused = ann.subscribe("NoSuchChannel")
    await until(() => refused.rejected, "a rejection")
    await staysRefused(user, ann, refused, echo)
  }

  async function failing_channel() {
    const user = unique("ann")
    const [ann, echo] = await subscribed(user, "EchoChannel")
    const refused = ann.subscribe("BrokenChannel")
    await until(() => refused.rejected, "a rejection")
    await post("/broadcast", { stream: "broken", messages: ["nobody hears this"] })
    await staysRefused(user, ann, refused, echo)
    assert.ok(!JSON.stringify(ann.wire.received).includes("nobody"), "its stream is gone")
  }

  // Neither the client nor the server says another word about it, and the rest goes on.
  async function staysRefused(user, ann, refused, echo) {
    const { commands } = await stats(user)
    await pings(ann)
    assert.equal(ann.wire.commands("subscribe").length, 2)
    assert.equal((await stats(user)).commands, commands)
    assert.equal(commands, 2)
    assert.deepEqual([refused.rejected, refused.connected.length], [1, 0])
    await answers(echo, "alive")
    assert.equal(ann.wire.sockets.length, 1)
  }

  async function performs() {
    const [, echo] = await subscribed(unique("ann"), "EchoChannel")
    echo.perform("echo", { value: { list: [1, 2.5, "three", null, true], deep: { er: [[]] } } })
    await until(() => echo.received.length, "an answer")
    assert.deepEqual(echo.received, [{ list: [1, 2.5, "three", null, true], deep: { er: [[]] } }])
  }

  async function sends_without_an_action() {
    const [, echo] = await subscribed(unique("ann"), "EchoChannel")
    echo.send({ plain: "data" })
    await until(() => echo.received.length, "an answer")
    assert.deepEqual(echo.received, [{ received: { plain: "data" } }])
  }

  async function chats() {
    const room = unique("room")
    const [ann, bob] = [unique("ann"), unique("bob")]
    const [, annHears] = await subscribed(ann, "ChatChannel", { room })
    const [, bobHears] = await subscribed(bob, "ChatChannel", { room })
    const [, cidHears] = await subscribed(unique("cid"), "ChatChannel", { room: unique("elsewhere") })
    annHears.perform("speak", { text: "hello" })
    await until(() => bobHears.received.length === 1, "bob hears ann")
    bobHears.perform("speak", { text: "hi" })
    await until(() => annHears.received.length === 2 && bobHears.received.length === 2, "both hear bob")
    const said = [
      { from: ann, text: "hello" },
      { from: bob, text: "hi" },
    ]
    assert.deepEqual([annHears.received, bobHears.received, cidHears.received], [said, said, []])
  }

  async function hears_from_a_route() {
    const room = unique("room")
    const [, annHears] = await subscribed(unique("ann"), "ChatChannel", { room })
    const [, bobHears] = await subscribed(unique("bob"), "ChatChannel", { room })
    await broadcast(room, { news: 1 }, "text", ["list"])
    await until(() => annHears.received.length === 3 && bobHears.received.length === 3, "three messages each")
    assert.deepEqual(annHears.received, [{ news: 1 }, "text", ["list"]])
    assert.deepEqual(bobHears.received, annHears.received)
  }

  async function unsubscribes() {
    const room = unique("room")
    const user = unique("ann")
    const [ann, chat] = await subscribed(user, "ChatChannel", { room })
    const [, bobHears] = await subscribed(unique("bob"), "ChatChannel", { room })
    const echo = ann.subscribe("EchoChannel")
    await until(() => echo.connected.length, "the other subscription")
    chat.unsubscribe()
    await untilStats(user, "ChatChannel unsubscribed", 1)
    await broadcast(room, { secret: true })
    await until(() => bobHears.received.length, "bob hears it")
    await answers(echo, "after it")
    assert.ok(!JSON.stringify(ann.wire.received).includes("secret"), "ann hears no more")
    assert.deepEqual(await stats(user), {
      connects: 1,
      commands: 4,
      "ChatChannel subscribed": 1,
      "ChatChannel unsubscribed": 1,
      "EchoChannel subscribed": 1,
    })
  }

  async function leaves() {
    const user = unique("ann")
    const [ann, chat] = await subscribed(user, "ChatChannel", { room: unique("room") })
    const echo = ann.subscribe("EchoChannel")
    await until(() => echo.connected.length, "the other subscription")
    ann.disconnect()
    await untilStats(user, "disconnects", 1)
    const { "ChatChannel unsubscribed": chats, "EchoChannel unsubscribed": echoes } = await stats(user)
    assert.deepEqual([chats, echoes], [1, 1])
    assert.ok(ann.stopped)
    assert.ok(chat.disconnected <= 1)
  }

  async function vanishes() {
    const user = unique("ann")
    const [ann] = await subscribed(user, "ChatChannel", { room: unique("room") })
    ann.wire.sockets[0].terminate() // no close frame
    await untilStats(user, "disconnects", 1)
    assert.equal((await stats(user))["ChatChannel unsubscribed"], 1)
  }

  async function unauthorized() {
    driver.hurry()
    const guest = unique("guest")
    const one = driver.client({ guest })
    const chat = one.subscribe("ChatChannel", { room: "any" })
    await until(() => one.stopped, "it gives up")
    assert.deepEqual(one.wire.received, [{ type: "disconnect", reason: "unauthorized", reconnect: false }])
    await timeForMore()
    assert.ok(one.stopped)
    assert.equal(one.wire.sockets.length, 1)
    assert.equal((await stats(guest)).connects, 1)
    assert.deepEqual(chat.connected, [])
  }

  async function knows_the_session() {
    const user = unique("ann")
    const { headers } = await post("/login", { user })
    const cookie = headers["set-cookie"][0].split(";")[0]
    const one = client(undefined, { cookie })
    const chat = one.subscribe("ChatChannel", { room: unique("room") })
    await until(() => chat.connected.length, "connected")
    chat.perform("speak", { text: "hello" })
    await until(() => chat.received.length, "an answer")
    assert.deepEqual(chat.received, [{ from: user, text: "hello" }])
  }

  // The client is back by itself, with its subscription, and hears again.
  async function isBack(user, room, ann, chat) {
    await until(() => chat.connected.length === 2, "connected again", 25)
    assert.deepEqual(chat.connected, [false, true])
    assert.equal(chat.disconnected, 1)
    chat.received.length = 0
    await broadcast(room, "welcome back")
    await until(() => chat.received.length, "a message")
    chat.perform("speak", { text: "thanks" })
    await until(() => chat.received.length === 2, "a second message")
    assert.deepEqual(chat.received, ["welcome back", { from: user, text: "thanks" }])
    assert.ok(!ann.stopped)
  }

  const COME_AGAIN = { type: "disconnect", reason: "server_restart", reconnect: true }

  async function server_restarts() {
    const ann = await comesBackAfter("restart")
    assert.deepEqual(ann.wire.ofType("disconnect"), [COME_AGAIN])
  }

  async function server_crashes() {
    const ann = await comesBackAfter("crash")
    assert.deepEqual(ann.wire.ofType("disconnect"), [])
  }

  async function comesBackAfter(mishap) {
    driver.hurry()
    const [user, room] = [unique("ann"), unique("room")]
    const [ann, chat] = await subscribed(user, "ChatChannel", { room })
    await ask(mishap)
    await isBack(user, room, ann, chat)
    const { connects, "ChatChannel subscribed": subscriptions } = await stats(user) // of the new process
    assert.deepEqual([connects, subscriptions], [1, 1])
    return ann
  }

  async function cable_restarts() {
    driver.hurry()
    const [user, room] = [unique("ann"), unique("room")]
    const [ann, chat] = await subscribed(user, "ChatChannel", { room })
    await post("/restart")
    await isBack(user, room, ann, chat)
    assert.deepEqual(ann.wire.ofType("disconnect"), [COME_AGAIN])
    const { connects, disconnects, "ChatChannel unsubscribed": unsubscribed } = await stats(user)
    assert.deepEqual([connects, disconnects, unsubscribed], [2, 1, 1])
  }

  async function sent_away_for_good() {
    driver.hurry()
    const user = unique("ann")
    const [ann, chat] = await subscribed(user, "ChatChannel", { room: unique("room") })
    const [bob] = await subscribed(unique("bob"), "EchoChannel")
    await post("/disconnect", { user, reconnect: false })
    await until(() => ann.stopped, "it gives up")
    assert.deepEqual(ann.wire.ofType("disconnect"), [{ type: "disconnect", reason: "remote", reconnect: false }])
    await pings(bob)
    assert.ok(ann.stopped)
    assert.equal(chat.disconnected, 1)
    const { connects, disconnects, "ChatChannel unsubscribed": unsubscribed } = await stats(user)
    assert.deepEqual([connects, disconnects, unsubscribed], [1, 1, 1])
  }

  async function sent_away_for_now() {
    driver.hurry()
    const [user, room] = [unique("ann"), unique("room")]
    const [ann, chat] = await subscribed(user, "ChatChannel", { room })
    await post("/disconnect", { user, reconnect: true })
    await isBack(user, room, ann, chat)
    assert.deepEqual(ann.wire.ofType("disconnect"), [{ type: "disconnect", reason: "remote", reconnect: true }])
  }

  async function one_megabyte() {
    const value = Array.from({ length: 125_000 }, (_, number) => String(number).padStart(8, "-")).join("")
    assert.equal(value.length, 1_000_000)
    const [ann, echo] = await subscribed(unique("ann"), "EchoChannel")
    echo.perform("echo", { value })
    await until(() => echo.received.length, "a megabyte", 20)
    assert.ok(echo.received[0] === value, "it came back as it went")
    await answers(echo, "after it")
    assert.equal(ann.wire.sockets.length, 1)
  }

  async function one_megabyte_for_all() {
    const room = unique("room")
    const text = "0123456789".repeat(100_000)
    const [, annHears] = await subscribed(unique("ann"), "ChatChannel", { room })
    const [, bobHears] = await subscribed(unique("bob"), "ChatChannel", { room })
    annHears.perform("speak", { text })
    await until(() => annHears.received.length && bobHears.received.length, "a megabyte each", 20)
    assert.ok(annHears.received[0].text === text && bobHears.received[0].text === text, "it came as it went")
  }

  async function unicode() {
    const room = unique(WORDS.join(" "))
    const user = unique("ann 漢字 😀 é+&%")
    const [ann, echo] = await subscribed(user, "EchoChannel", { params: WORDS })
    const chat = ann.subscribe("ChatChannel", { room })
    await until(() => chat.connected.length, "a room with an odd name")
    for (const word of WORDS) {
      echo.perform("echo", { value: word })
      chat.perform("speak", { text: word })
    }
    await broadcast(room, ...WORDS)
    const rest = { [WORDS[1]]: WORDS[2] }
    echo.perform("echo", { value: rest })
    await until(() => echo.received.length > WORDS.length, "the words, one by one")
    await until(() => chat.received.length >= 2 * WORDS.length, "the words, said and broadcast")
    assert.deepEqual(echo.received, [...WORDS, rest])
    const texts = chat.received.map((one) => one.text ?? one)
    for (const word of WORDS) assert.equal(texts.filter((text) => text === word).length, 2, word)
    assert.equal(chat.received.find((one) => one.from).from, user)
  }

  async function many_subscriptions() {
    const user = unique("ann")
    const [ann, echo] = await subscribed(user, "EchoChannel")
    const rooms = Array.from({ length: 200 }, (_, number) => unique(`room ${number}`))
    const chats = rooms.map((room) => ann.subscribe("ChatChannel", { room }))
    await until(() => chats.every((chat) => chat.connected.length), "200 confirmations", 20)
    await untilStats(user, "ChatChannel subscribed", 200)
    chats.forEach((chat, number) => chat.perform("speak", { text: `to ${number}` }))
    await until(() => chats.every((chat) => chat.received.length), "200 messages", 20)
    await answers(echo, "after them")
    assert.deepEqual(
      chats.map((chat) => chat.received),
      rooms.map((_, number) => [{ from: user, text: `to ${number}` }]),
    )
    chats.forEach((chat) => chat.unsubscribe())
    await untilStats(user, "ChatChannel unsubscribed", 200)
    await answers(echo, "at the end")
  }

  const THOUSAND = Array.from({ length: 1000 }, (_, number) => ({ number }))

  async function thousand_messages_to_the_server() {
    const [ann, echo] = await subscribed(unique("ann"), "EchoChannel")
    THOUSAND.forEach((value) => echo.perform("echo", { value }))
    await until(() => echo.received.length >= 1000, "a thousand answers", 20)
    assert.deepEqual(echo.received, THOUSAND)
    assert.equal(ann.wire.sockets.length, 1)
  }

  async function thousand_messages_to_the_client() {
    const room = unique("room")
    const [ann, echo] = await subscribed(unique("ann"), "EchoChannel")
    const chat = ann.subscribe("ChatChannel", { room })
    await until(() => chat.connected.length, "connected")
    echo.perform("count", { to: 1000 })
    await broadcast(room, ...THOUSAND)
    await until(() => echo.received.length >= 1000 && chat.received.length >= 1000, "a thousand each", 20)
    assert.deepEqual(echo.received, THOUSAND)
    assert.deepEqual(chat.received, THOUSAND)
  }

  async function thousand_messages_between_two() {
    const room = unique("room")
    const [, annHears] = await subscribed(unique("ann"), "ChatChannel", { room })
    const [, bobHears] = await subscribed(unique("bob"), "ChatChannel", { room })
    THOUSAND.forEach(({ number }) => annHears.perform("speak", { text: number }))
    await until(() => annHears.received.length >= 1000 && bobHears.received.length >= 1000, "a thousand each", 20)
    const numbers = THOUSAND.map(({ number }) => number)
    assert.deepEqual(annHears.received.map((one) => one.text), numbers)
    assert.deepEqual(bobHears.received.map((one) => one.text), numbers)
  }

  return {
    connects,
    confirms,
    rejects,
    unknown_channel,
    failing_channel,
    performs,
    sends_without_an_action,
    chats,
    hears_from_a_route,
    unsubscribes,
    leaves,
    vanishes,
    unauthorized,
    knows_the_session,
    server_restarts,
    server_crashes,
    cable_restarts,
    sent_away_for_good,
    sent_away_for_now,
    one_megabyte,
    one_megabyte_for_all,
    unicode,
    many_subscriptions,
    thousand_messages_to_the_server,
    thousand_messages_to_the_client,
    thousand_messages_between_two,
  }
}
