"""Flask-Cable: a channel that echoes and broadcasts, for peers that have logged in."""

import os

from flask import Flask, session

from flask_cable import Cable, Channel

NO_LIMIT = 10**9
MORE_CONNECTIONS = 20_000

app = Flask(__name__)
app.config.update(
    SECRET_KEY="benchmarks",
    CABLE_CHECK_ORIGIN=False,
    CABLE_MAX_CONNECTIONS=MORE_CONNECTIONS,
    CABLE_MESSAGES_PER_SECOND=NO_LIMIT,
    CABLE_MESSAGES_BURST=NO_LIMIT,
    CABLE_URL=os.environ.get("BUS_URL") or None,
    CABLE_COMPRESSION=bool(os.environ.get("COMPRESSION")),
)
cable = Cable(app)


@app.get("/login")
def login():
    session["user_id"] = 1
    return "", 204


@cable.identify
def current_user():
    return session.get("user_id")


@cable.channel
class BenchChannel(Channel):
    def subscribed(self):
        self.stream_from(self._stream())

    def _stream(self):
        return self.params.get("stream", "bench")

    def echo(self, data):
        self.transmit(data)

    def broadcast(self, data):
        self.broadcast_to(self._stream(), data)
