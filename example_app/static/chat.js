// One room: wires the page to ChatChannel and ClockChannel. Whatever people typed enters as text, never as HTML.

import { consumer } from "flask-cable";
import { People } from "./people.js";

const KEPT_MESSAGES = 200;
const NEAR_THE_END = 80; // pixels
const ONE_BREATH = 5 * 60_000; // milliseconds in which a person's messages share one heading

const find = (id) => document.getElementById(id);
const { room, user: me } = find("room").dataset;
const log = find("log");
const messages = find("messages");
const latest = find("latest");
const form = find("speak");
const input = find("text");

function element(name, className, text = "") {
  const made = document.createElement(name);
  made.className = className;
  made.textContent = text;
  return made;
}

function avatar(user, name) {
  const made = element("span", "avatar", [...name][0].toUpperCase());
  made.ariaHidden = "true";
  made.style.setProperty("--hue", parseInt(user.slice(0, 6), 16) % 360);
  return made;
}

// --- Messages

function clockFace(moment, options) {
  return new Date(moment).toLocaleTimeString([], options);
}

let isAtEnd = true;

function add(item) {
  messages.append(item);
  while (messages.children.length > KEPT_MESSAGES) messages.firstElementChild.remove();
  messages.firstElementChild.classList.remove("more");
  find("nothing-yet").hidden = true;
  if (isAtEnd) showLatest();
  else latest.hidden = false;
}

function showLatest() {
  isAtEnd = true;
  log.scrollTop = log.scrollHeight;
  latest.hidden = true;
}

function addNotice(text) {
  add(element("li", "notice", text));
}

function addMessage({ id, user, from, text, at }) {
  const item = element("li", user === me ? "message mine" : "message");
  Object.assign(item.dataset, { id, user, at });
  item.classList.toggle("more", continues(messages.lastElementChild?.dataset, user, at));
  const words = element("p", "words", text);
  words.dir = "auto";
  const body = element("div", "body");
  body.append(heading(from, at), words);
  item.append(avatar(user, from), body);
  add(item);
}

function continues(previous, user, at) {
  return previous?.user === user && new Date(at) - new Date(previous.at) < ONE_BREATH;
}

function heading(from, at) {
  const time = element("time", "", clockFace(at, { hour: "2-digit", minute: "2-digit" }));
  time.dateTime = at;
  const made = element("p", "heading");
  made.append(element("bdi", "name", from), " ", time);
  return made;
}

latest.addEventListener("click", () => {
  showLatest();
  log.focus();
});
log.addEventListener("scroll", () => {
  isAtEnd = log.scrollHeight - log.scrollTop - log.clientHeight < NEAR_THE_END;
  if (isAtEnd) latest.hidden = true;
});
new ResizeObserver(() => isAtEnd && showLatest()).observe(log);

// --- People

const people = new People(me, {
  changed: showPeople,
  arrived: (name) => addNotice(`${name} joined`),
  departed: (name) => addNotice(`${name} left`),
});

function showPeople() {
  const list = people.list();
  find("people-count").textContent = list.length;
  find("people").replaceChildren(...list.map(personItem));
}

function personItem({ user, name, isMe }) {
  const item = element("li", "person");
  item.append(avatar(user, name), element("bdi", "name", name));
  if (isMe) item.append(element("span", "me", "you"));
  return item;
}

// --- Connection

const STATES = {
  connected: "Connected",
  silent: "No answer…",
  reconnecting: "Reconnecting…",
  ended: "Signed out",
  refused: "Not admitted",
};
const SILENCE = 8_000; // milliseconds; the clock ticks every second

const state = () => document.body.dataset.state;
let silence;

function showState(name) {
  document.body.dataset.state = name;
  find("state").textContent = STATES[name];
  find("ended").hidden = name !== "ended";
  form.inert = name === "ended" || name === "refused";
  if (form.inert) complain("");
}

// The consumer finds a dead connection too, after two missed beats.
function hearServer() {
  clearTimeout(silence);
  if (state() === "silent") showState("connected");
  silence = setTimeout(() => state() === "connected" && showState("silent"), SILENCE);
}

const chat = consumer.subscriptions.create({ channel: "ChatChannel", room }, {
  connected() {
    if (state() === "reconnecting" || state() === "silent") {
      addNotice("Reconnected. What was said meanwhile is not shown.");
    }
    showState("connected");
    people.callAgain();
    this.perform("roll_call");
  },
  disconnected({ willAttemptReconnect }) {
    showState(willAttemptReconnect ? "reconnecting" : "ended");
  },
  rejected() {
    showState("refused");
  },
  received(data) {
    if (data.type === "message") addMessage(data);
    else people.hear(data);
  },
});

consumer.subscriptions.create("ClockChannel", {
  received({ time }) {
    hearServer();
    const clock = find("clock");
    clock.dateTime = time;
    clock.textContent = clockFace(time);
  },
});

// --- Speaking

function complain(reason) {
  find("complaint").textContent = reason;
  input.setAttribute("aria-invalid", reason ? "true" : "false");
}

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  const text = input.value.trim();
  if (!text) return complain("Write something first.");
  try {
    const refusal = await chat.perform("speak", { text });
    if (refusal) return complain(refusal);
  } catch {
    return complain("Perhaps not sent: the connection is away. Try again.");
  }
  if (input.value.trim() === text) input.value = "";
  complain("");
  showLatest();
});

input.addEventListener("input", () => complain(""));
