// Who is writing a note. The page says so over a raw socket, and shows who else does; the notes themselves come
// as Turbo Streams.

const SHOWN_FOR = 4_000; // milliseconds after somebody has typed
const AGAIN_AFTER = 1_000; // and as many more at random

const writers = new Map(); // name -> the timer that forgets it
let socket;
let told = 0;

function connect() {
  socket = new WebSocket(`${location.href.split(/[?#]/)[0].replace("http", "ws")}/writers`);
  socket.onopen = () => tell("connected");
  socket.onmessage = ({ data }) => saw(JSON.parse(data));
  socket.onclose = ({ code }) => {
    tell("away");
    if (code !== 1000) setTimeout(connect, AGAIN_AFTER * (1 + Math.random()));
  };
}

function tell(state) {
  document.querySelector("#writers").dataset.state = state;
}

function saw(name) {
  clearTimeout(writers.get(name));
  writers.set(name, setTimeout(forget, SHOWN_FOR, name));
  show();
}

function forget(name) {
  writers.delete(name);
  show();
}

function show() {
  const line = document.querySelector("#writers");
  line.textContent = writers.size ? `Writing: ${[...writers.keys()].join(", ")}` : "";
}

document.addEventListener("input", ({ target }) => {
  if (target.id !== "text" || socket.readyState !== WebSocket.OPEN || Date.now() < told + SHOWN_FOR / 2) return;
  told = Date.now();
  socket.send("true");
});

connect();
