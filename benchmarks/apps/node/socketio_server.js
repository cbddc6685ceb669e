// Socket.IO's own server on node: everybody in one room. Argument: the port.
const { createServer } = require("http");
const { Server } = require("socket.io");

const port = Number(process.argv[2]);
const http = createServer();
const io = new Server(http, { cors: { origin: "*" } });

io.on("connection", (socket) => {
  socket.on("subscribe", () => {
    socket.join("bench");
    socket.emit("subscribed", {});
  });
  socket.on("echo", (data) => socket.emit("echo", data));
  socket.on("broadcast", (data) => io.to("bench").emit("broadcast", data));
});

http.listen({ host: "127.0.0.1", port, backlog: 4096 });
