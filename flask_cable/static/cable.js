// @ts-check
// Flask-Cable's client. Its guide is docs/javascript.md.

/**
 * @typedef {Record<string, any>} Data
 * @typedef {{WebSocket?: any, pingInterval?: number, timeout?: number}} Options  a class; milliseconds
 * @typedef {{willAttemptReconnect: boolean, reason?: string}} Loss
 * @typedef {{initialized?(): void, connected?(news: {reconnected: boolean}): void, disconnected?(news: Loss): void,
 *   rejected?(): void, received?(message: any): void}} Callbacks  of a subscription, which is their `this`
 */

const PROTOCOLS = ["flask-cable-v1-json", "actioncable-v1-json", "actioncable-unsupported"]
const WAKING = ["visibilitychange", "pageshow", "online", "offline"]

const page = globalThis.document
const mount = () => page?.querySelector("meta[name=action-cable-url]")?.["content"] ?? "/cable"

// What a callback throws is reported, and stops nobody else.
const tell = async (owner, callback, ...news) => owner[callback]?.(...news)

// A WebSocket that is opened again, and requests over it.
class Link {
	grace = 5_000
	patience = 25_000
	protocols = []
	ready = false
	replies = true
	#attempts = 0
	#heardAt = 0
	#ids = 0
	#openedAt
	#socket
	#timer
	#waiting = new Map()
	#wanted

	constructor(url, options) {
		this.url = url
		this.options = { WebSocket: globalThis.WebSocket, pingInterval: 3_000, timeout: 30_000, ...options }
	}

	/** Connect, and stay connected. */
	connect() {
		if (this.#wanted) return
		this.#wanted = new AbortController()
		this.#attempts = 0
		for (const name of WAKING) globalThis.addEventListener?.(name, this.#wake, this.#wanted)
		this.#open()
	}

	/** Disconnect for good. */
	disconnect(reason) {
		this.#wanted = this.#wanted?.abort()
		this.drop(reason)
	}

	#open() {
		const url = new URL(typeof this.url === "function" ? this.url() : this.url, page?.baseURI)
		url.protocol = url.protocol.replace("http", "ws")
		const socket = (this.#socket = new this.options.WebSocket(url.href, this.protocols))
		socket.onopen = () => {
			this.#openedAt = Date.now()
			this.opened(socket.protocol)
		}
		socket.onmessage = ({ data }) => {
			this.#heardAt = Date.now()
			this.#listen(this.patience)
			const frame = JSON.parse(data)
			if (frame.type !== "disconnect") this.heard(frame)
			else if (frame.reconnect) this.drop(frame.reason)
			else this.disconnect(frame.reason)
		}
		socket.onclose = () => this.drop()
		socket.onerror = () => {} // a close follows
		this.#openedAt = NaN
		this.#listen(3 * this.patience)
	}

	// After a silence, ask; what came meanwhile has a moment to be heard.
	#listen(patience) {
		clearTimeout(this.#timer)
		this.#timer = setTimeout(() => {
			this.#timer = setTimeout(() => this.drop("silence"), this.grace)
			this.ask()
		}, patience)
	}

	// Leave this socket; the next opens in a while.
	drop(reason) {
		clearTimeout(this.#timer)
		for (const [id, { queue }] of this.#waiting)
			if (!this.#wanted || !queue.has(id)) this.settle(id, "disconnected")
		const socket = this.#socket
		if (!socket) return
		socket.onopen = socket.onmessage = socket.onclose = this.#socket = null
		socket.close()
		this.ready = false
		if (Date.now() - this.#openedAt > 30_000) this.#attempts = 0
		const wait = Math.min(30_000, 1_000 * 2 ** this.#attempts++) * (0.5 + Math.random())
		if (this.#wanted) this.#timer = setTimeout(() => this.#open(), wait)
		if (this.#openedAt) this.lost({ willAttemptReconnect: !!this.#wanted, reason })
	}

	// The page or the network is back: the server is to be heard soon.
	#wake = () => {
		if (page?.hidden) return
		if (this.ready) {
			this.ask()
			this.#listen(Date.now() - this.#heardAt > this.patience ? 0 : 1.5 * this.options.pingInterval)
		} else if (!this.#socket && navigator.onLine) {
			this.#attempts = 0
			this.#open()
		}
	}

	opened(protocol) {}
	heard(frame) {}
	lost(news) {}
	ask() {}

	transmit(message) {
		this.#socket.send(JSON.stringify(message))
	}

	// Resolves with the reply; the message waits in its line until that is live.
	request(line, message) {
		const id = ++this.#ids
		const promise = new Promise((resolve, reject) => {
			const timer = setTimeout(() => this.settle(id, "timeout"), this.options.timeout)
			this.#waiting.set(id, { resolve, reject, timer, queue: line.queue })
		})
		promise.catch(() => {}) // nobody has to wait for it
		line.queue.set(id, message)
		this.flush(line)
		if (line.queue.size > line.limit) this.settle(id, line.over ?? (line.limit ? "full" : "disconnected"))
		return promise
	}

	flush({ isLive, queue }) {
		if (!isLive()) return
		for (const [id, message] of queue) {
			queue.delete(id)
			this.transmit(this.replies ? { ...message, id } : message)
			if (!this.replies) this.settle(id)
		}
	}

	settle(id, code, value) {
		const { resolve, reject, timer, queue } = this.#waiting.get(id) ?? {}
		if (!this.#waiting.delete(id)) return
		queue.delete(id)
		clearTimeout(timer)
		code ? reject(Object.assign(new Error(`cable: ${code}`), { code })) : resolve(value)
	}
}

export class Consumer extends Link {
	grace = 300
	patience = 2 * this.options.pingInterval
	protocols = [...PROTOCOLS]
	#lines = new Set()

	subscriptions = {
		/**
		 * @param {string | Data} channel  its name, or {channel: "ChatChannel", room: 7}
		 * @param {Callbacks & ThisType<any>} [callbacks]
		 * @param {{buffer?: number}} [options]  messages that may wait until it is confirmed
		 */
		create: (channel, callbacks, { buffer = 0 } = {}) => {
			const identifier = JSON.stringify(typeof channel === "string" ? { channel } : channel)
			const one = {
				consumer: this,
				identifier,

				/** Call an action; resolves with what it returns. @param {string} action @param {Data} [data] */
				perform: (action, data) => one.send({ ...data, action }),

				/** Send what names no action. @param {Data} data @returns {Promise<any>} */
				send: (data) => this.request(line, { command: "message", identifier, data: JSON.stringify(data) }),

				unsubscribe: () => this.#remove(line, "unsubscribed"),
				...callbacks,
			}
			const isLive = () => this.ready && !line.over && (line.confirmed || !buffer)
			const line = { one, isLive, limit: buffer, queue: new Map() }
			const [other] = this.#named(identifier)
			this.#lines.add(line)
			tell(one, "initialized")
			this.connect()
			if (other?.confirmed) queueMicrotask(() => this.#confirm(line))
			else this.#subscribe(line)
			return one
		},
	}

	#named(identifier) {
		return [...this.#lines].filter(({ one }) => one.identifier === identifier)
	}

	// Again, until it is answered.
	#subscribe(line) {
		const { identifier } = line.one
		if (!this.ready || line.confirmed || line !== this.#named(identifier)[0]) return
		this.transmit({ command: "subscribe", identifier })
		setTimeout(() => this.#subscribe(line), 2_000)
	}

	#confirm(line) {
		if (line.over || line.confirmed) return
		const reconnected = line.confirmed === false
		line.confirmed = true
		this.flush(line)
		tell(line.one, "connected", { reconnected })
	}

	#remove(line, why) {
		const { identifier } = line.one
		if (!this.#lines.delete(line)) return
		line.over = why
		line.limit = 0
		for (const id of line.queue.keys()) this.settle(id, why)
		if (why === "rejected") tell(line.one, why)
		else if (this.ready && !this.#named(identifier)[0]) this.transmit({ command: "unsubscribe", identifier })
	}

	opened(protocol) {
		this.replies = protocol === PROTOCOLS[0]
		if (!this.replies && protocol !== PROTOCOLS[1]) this.disconnect("unsupported")
	}

	heard({ type, identifier, message, id, error, data }) {
		const lines = this.#named(identifier)
		if (!type) for (const { one } of lines) tell(one, "received", message)
		else if (type === "reply") this.settle(id, error, data)
		else if (type === "confirm_subscription") for (const line of lines) this.#confirm(line)
		else if (type === "reject_subscription") for (const line of lines) this.#remove(line, "rejected")
		else if (type === "welcome") {
			this.ready = true
			for (const line of this.#lines) this.#subscribe(line)
		}
	}

	lost(news) {
		for (const line of this.#lines) {
			line.confirmed &&= false
			tell(line.one, "disconnected", news)
		}
	}
}

export class PageSocket extends Link {
	/** @type {(news: Loss) => void} */ ondisconnected
	onconnected
	onexpired // nobody knows this page any more
	#hearers = new Set()
	#line = { isLive: () => this.ready, limit: 100, queue: new Map() }

	/**
	 * Hear a channel, or with `*` several; returns what undoes it.
	 * @param {string} channel @param {(payload: any, channel: string) => void} hear
	 */
	on(channel, hear) {
		const pattern = channel.replace(/\W/g, (one) => (one === "*" ? "[^;]*" : `\\${one}`))
		const hearer = { hear, pattern: new RegExp(`^${pattern}$`) }
		this.#hearers.add(hearer)
		this.connect()
		return () => this.#hearers.delete(hearer)
	}

	/** Have a message handled; resolves with the reply. @param {string} action @param {Data} [data] */
	send(action, data) {
		this.connect()
		return this.request(this.#line, { ...data, action })
	}

	/**
	 * Call a route. @param {string} uri @param {{method?: string, input?: Data} & Data} [options]
	 * @returns {Promise<{status: number, headers: Data, body: string}>}
	 */
	call(uri, options) {
		return this.send("call-route", { ...options, uri })
	}

	ask() {
		this.send("ping")
	}

	opened() {
		this.ready = true
		this.flush(this.#line)
		tell(this, "onconnected")
	}

	lost(news) {
		tell(this, "ondisconnected", news)
	}

	heard(frame) {
		const { id, type, channel, payload } = frame
		if (id) this.settle(id, frame.error, frame)
		else if (type) tell(this, `on${type}`)
		else if (channel) for (const one of this.#hearers) if (one.pattern.test(channel)) tell(one, "hear", payload, channel)
	}
}

/** @param {string | (() => string)} [url] @param {Options} [options] */
export const createConsumer = (url = mount, options) => new Consumer(url, options)

// Both connect when they are used.
export const consumer = createConsumer()
export const socket = new PageSocket(
	() => `${mount().replace(/\/$/, "")}/socket?socket_connection_id=${page.body.dataset.socketConnectionId}`,
)

const METHODS = { replace: "replaceWith", update: "replaceChildren" }
for (const name of ["append", "prepend", "before", "after", "remove"]) METHODS[name] = name

/** Apply <turbo-stream> elements, through Turbo where it is. @param {string} html */
export function renderStream(html) {
	const Turbo = globalThis["Turbo"]
	if (Turbo) return Turbo.renderStreamMessage(html)
	const parsed = new DOMParser().parseFromString(html, "text/html")
	for (const stream of parsed.querySelectorAll("turbo-stream")) apply(stream)
}

function apply(stream) {
	const its = (name) => stream.getAttribute(name)
	const action = its("action")
	if (action === "refresh") return location.reload()
	for (const one of page.querySelectorAll(its("targets") ?? `#${CSS.escape(its("target"))}`)) {
		const content = stream.querySelector("template")?.content.cloneNode(true) ?? ""
		for (const { id } of (/pend$/.test(action) && content.children) || [])
			if (id) one.querySelector(`:scope > #${CSS.escape(id)}`)?.remove()
		one[METHODS[action]]?.(content)
	}
}

if (page && !customElements.get("cable-stream-source"))
	customElements.define("cable-stream-source", class extends HTMLElement {
		static observedAttributes = ["channel", "signed-stream-name"]
		#subscription

		connectedCallback() {
			this.disconnectedCallback()
			const params = {}
			for (const { name, value } of this.attributes)
				if (/^(channel|signed-stream-name|data-.+)$/.test(name))
					params[name.replace("data-", "").replace(/-/g, "_")] = value
			this.#subscription = consumer.subscriptions.create(params, {
				connected: () => this.setAttribute("connected", ""),
				disconnected: () => this.removeAttribute("connected"),
				received: renderStream,
			})
		}

		disconnectedCallback() {
			this.removeAttribute("connected")
			this.#subscription = this.#subscription?.unsubscribe()
		}

		attributeChangedCallback() {
			if (this.#subscription) this.connectedCallback()
		}
	})
