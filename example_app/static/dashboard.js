// The dashboard: hears what its route has subscribed it to, and switches rooms by calling a route over the socket.

import { socket } from "flask-cable";

const { token } = document.querySelector("#dashboard").dataset;
const looking = document.querySelector("#looking");
const waves = document.querySelector("#waves");
const rowOf = (room) => document.querySelector(`[data-room="${room}"]`);

socket.on("talk:*", ({ from, text }, stream) => {
  const row = rowOf(stream.slice("talk:".length));
  const count = row.querySelector(".count");
  count.textContent = Number(count.textContent) + 1;
  row.querySelector(".last").textContent = `${from}: ${text}`;
});

socket.on("looking", ({ count, waves: name }) => {
  if (name) waves.textContent = `${name} waves`;
  else looking.textContent = count === 1 ? "Only you look." : `${count} pages look.`;
});

for (const row of document.querySelectorAll("[data-room]"))
  row.querySelector("input").addEventListener("change", async ({ target }) => {
    const input = { on: target.checked, form_token: token };
    const { status } = await socket.call(`/dashboard/${row.dataset.room}`, { method: "post", encoding: "form", input });
    if (status !== 204) target.checked = !target.checked;
    row.dataset.state = target.checked ? "on" : "off";
  });

document.querySelector("#wave").addEventListener("click", () => socket.send("wave"));
socket.onconnected = () => (document.body.dataset.state = "connected");

// The server does not know this page any more: a new one is needed, though not again and again.
socket.onexpired = () => {
  const [{ type }] = performance.getEntriesByType("navigation");
  if (type !== "reload" || performance.now() > 10_000) location.reload();
};
