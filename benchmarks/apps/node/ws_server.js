// ws on node: clients in a set, and a loop over them. Argument: the port.
const { WebSocketServer } = require("ws");

const port = Number(process.argv[2]);
const server = new WebSocketServer({ host: "127.0.0.1", port, backlog: 4096 });
const clients = new Set();

function answer(ws, message) {
  if (message.action === "subscribe") {
    clients.add(ws);
    ws.send('{"type":"subscribed"}');
  } else if (message.action === "echo") {
    ws.send(JSON.stringify({ type: "echo", message }));
  } else if (message.action === "broadcast") {
    const payload = Buffer.from(JSON.stringify({ type: "broadcast", message }));
    for (const client of clients) client.send(payload, { binary: false });
  }
}

server.on("connection", (ws) => {
  ws.on("error", () => {});
  ws.on("close", () => clients.delete(ws));
  ws.on("message", (text) => answer(ws, JSON.parse(text)));
});
