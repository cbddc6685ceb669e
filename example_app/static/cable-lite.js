// The part of @rails/actioncable a page needs, in one small file, for machines without npm.
// The stock package is a drop-in replacement: same calls, same callbacks, same wire.
//
//   const consumer = createConsumer("/cable");
//   const chat = consumer.subscriptions.create({ channel: "ChatChannel", room: "lobby" }, {
//     connected({ reconnected }) {}, disconnected({ willAttemptReconnect }) {}, rejected() {}, received(data) {},
//   });
//   chat.perform("speak", { text: "hello" });  // false, and nothing is sent, while there is no connection

const PROTOCOLS = ["actioncable-v1-json", "actioncable-unsupported"];
const STALE_AFTER = 6_000; // milliseconds of silence; the server pings every three seconds
const FIRST_RETRY = 1_000;
const LAST_RETRY = 30_000;

class Subscription {
  constructor(consumer, params, mixin) {
    this.consumer = consumer;
    this.identifier = JSON.stringify(params);
    Object.assign(this, mixin);
  }
  perform(action, data = {}) {
    return this.send({ ...data, action });
  }
  send(data) {
    return this.consumer.send({ command: "message", identifier: this.identifier, data: JSON.stringify(data) });
  }
  unsubscribe() {
    return this.consumer.subscriptions.remove(this);
  }
}

class Subscriptions {
  constructor(consumer) {
    this.consumer = consumer;
    this.all = [];
  }
  create(channel, mixin) {
    const params = typeof channel === "object" ? channel : { channel };
    const subscription = new Subscription(this.consumer, params, mixin);
    this.all.push(subscription);
    this.consumer.connect();
    this.request("subscribe", subscription.identifier);
    return subscription;
  }
  remove(subscription) {
    this.all = this.all.filter((other) => other !== subscription);
    if (!this.named(subscription.identifier).length) this.request("unsubscribe", subscription.identifier);
    return subscription;
  }
  reject(identifier) {
    const rejected = this.named(identifier);
    this.all = this.all.filter((subscription) => subscription.identifier !== identifier);
    for (const subscription of rejected) subscription.rejected?.();
  }
  resubscribe() {
    for (const identifier of new Set(this.all.map((subscription) => subscription.identifier))) {
      this.request("subscribe", identifier);
    }
  }
  request(command, identifier) {
    if (this.consumer.welcomed) this.consumer.send({ command, identifier });
  }
  named(identifier) {
    return this.all.filter((subscription) => subscription.identifier === identifier);
  }
  tell(subscriptions, callback, ...args) {
    for (const subscription of subscriptions) subscription[callback]?.(...args);
  }
}

class Consumer {
  constructor(url) {
    this.url = url;
    this.subscriptions = new Subscriptions(this);
    this.wanted = this.opened = this.welcomed = this.returning = false;
    this.attempts = 0;
    this.retryAt = 0;
    this.backOnline = () => this.retryNow();
  }
  connect() {
    if (this.wanted) return;
    this.wanted = true;
    this.watch = setInterval(() => this.lookAround(), 1_000);
    addEventListener("online", this.backOnline);
    this.open();
  }
  disconnect() {
    this.giveUp();
    this.socket?.close();
  }
  send(data) {
    if (this.socket?.readyState !== WebSocket.OPEN) return false;
    this.socket.send(JSON.stringify(data));
    return true;
  }
  giveUp() {
    this.wanted = false;
    clearInterval(this.watch);
    removeEventListener("online", this.backOnline);
  }
  open() {
    const socket = new WebSocket(socketURL(this.url), PROTOCOLS);
    this.socket = socket;
    this.heardAt = Date.now();
    socket.onopen = () => this.accepted(socket);
    socket.onmessage = ({ data }) => this.hear(JSON.parse(data));
    socket.onclose = () => this.closed(socket);
  }
  accepted(socket) {
    this.opened = true;
    if (socket.protocol !== PROTOCOLS[0]) this.disconnect();
  }
  hear({ type, identifier, message, reconnect }) {
    const { subscriptions } = this;
    this.heardAt = Date.now();
    if (type === "welcome") this.welcome();
    else if (type === "disconnect") this.dismissed(reconnect);
    else if (type === "confirm_subscription") this.confirm(identifier);
    else if (type === "reject_subscription") subscriptions.reject(identifier);
    else if (type !== "ping") subscriptions.tell(subscriptions.named(identifier), "received", message);
  }
  welcome() {
    this.welcomed = true;
    this.attempts = 0;
    this.subscriptions.resubscribe();
  }
  confirm(identifier) {
    const { subscriptions, returning } = this;
    this.returning = false;
    subscriptions.tell(subscriptions.named(identifier), "connected", { reconnected: returning });
  }
  dismissed(reconnect) {
    if (!reconnect) this.giveUp();
    this.socket.close();
  }
  closed(socket) {
    if (socket !== this.socket) return; // given up as stale before
    const { opened } = this;
    socket.onmessage = null;
    this.socket = null;
    this.returning ||= this.welcomed;
    this.opened = this.welcomed = false;
    this.retryAt = Date.now() + retryDelay(this.attempts++);
    if (opened) this.subscriptions.tell(this.subscriptions.all, "disconnected", { willAttemptReconnect: this.wanted });
  }
  retryNow() {
    this.retryAt = 0;
    this.lookAround();
  }
  // Once a second: leave a silent socket, open the next one when it is due.
  lookAround() {
    if (!this.socket) {
      if (Date.now() >= this.retryAt) this.open();
    } else if (Date.now() - this.heardAt > STALE_AFTER) {
      this.socket.close();
      this.closed(this.socket);
    }
  }
}

// Twice as long each time, and never the same for two pages: a restarted server is not stormed.
function retryDelay(attempts) {
  return Math.min(LAST_RETRY, FIRST_RETRY * 2 ** attempts) * (0.5 + Math.random());
}

function socketURL(path) {
  const url = new URL(path, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  return url.href;
}

export function createConsumer(url) {
  const meta = document.querySelector("meta[name='action-cable-url']");
  return new Consumer(url ?? meta?.content ?? "/cable");
}
