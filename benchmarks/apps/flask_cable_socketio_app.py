"""Flask-Cable's Socket.IO: an event that echoes, and one that emits to a room that everybody is in."""

import os

from flask import Flask

from flask_cable import Cable

NO_LIMIT = 10**9

app = Flask(__name__)
app.config.update(
    SECRET_KEY="benchmarks",
    CABLE_CHECK_ORIGIN=False,
    CABLE_MAX_CONNECTIONS=20_000,
    CABLE_MESSAGES_PER_SECOND=NO_LIMIT,
    CABLE_MESSAGES_BURST=NO_LIMIT,
    CABLE_URL=os.environ.get("BUS_URL") or None,
)
io = Cable(app).socketio()


@io.on("subscribe")
def subscribe(socket, data):
    socket.join("bench")
    socket.emit("subscribed", {})


@io.on("echo")
def echo(socket, data):
    socket.emit("echo", data)


@io.on("broadcast")
def broadcast(socket, data):
    io.to("bench").emit("broadcast", data)
