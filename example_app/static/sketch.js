// A sheet that all draw on together. What goes over the socket is a line, [x1, y1, x2, y2] in parts of the
// sheet, or null for a clean one.

const AGAIN_AFTER = 1_000; // milliseconds, and as many more at random

const sheet = document.querySelector("#sketch");
const pen = sheet.getContext("2d");
const state = document.querySelector("#state");
let socket;
let last; // where the pointer was, while it is down

function connect() {
  socket = new WebSocket(`${location.href.split(/[?#]/)[0].replace("http", "ws")}/lines`);
  socket.onopen = () => tell("connected", "");
  socket.onmessage = ({ data }) => draw(JSON.parse(data));
  socket.onclose = ({ code }) => {
    if (code === 1000) return tell("ended", "Signed out");
    tell("away", "Reconnecting…");
    setTimeout(connect, AGAIN_AFTER * (1 + Math.random()));
  };
}

function tell(name, words) {
  document.body.dataset.state = name;
  state.textContent = words;
}

function draw(line) {
  if (!line) return pen.clearRect(0, 0, sheet.width, sheet.height);
  const [x1, y1, x2, y2] = line.map((part, index) => part * (index % 2 ? sheet.height : sheet.width));
  pen.strokeStyle = getComputedStyle(sheet).color;
  pen.lineWidth = 4;
  pen.lineCap = "round";
  pen.beginPath();
  pen.moveTo(x1, y1);
  pen.lineTo(x2, y2);
  pen.stroke();
}

function share(line) {
  draw(line);
  if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(line));
}

function point({ clientX, clientY }) {
  const { left, top, width, height } = sheet.getBoundingClientRect();
  return [(clientX - left) / width, (clientY - top) / height].map((part) => Math.min(1, Math.max(0, part)));
}

sheet.addEventListener("pointerdown", (event) => {
  sheet.setPointerCapture(event.pointerId);
  last = point(event);
});
sheet.addEventListener("pointermove", (event) => {
  if (!last) return;
  const here = point(event);
  share([...last, ...here]);
  last = here;
});
for (const name of ["pointerup", "pointercancel"]) sheet.addEventListener(name, () => (last = undefined));
document.querySelector("#wipe").addEventListener("click", () => share(null));

connect();
