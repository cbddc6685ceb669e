"""Flask-SocketIO: everybody in one room; with BUS_URL its Redis manager between processes."""

import os

from flask import Flask
from flask_socketio import SocketIO, emit, join_room

app = Flask(__name__)
bus = os.environ.get("BUS_URL") or None
socketio = SocketIO(app, async_mode="gevent", cors_allowed_origins="*", message_queue=bus)


@socketio.on("subscribe")
def subscribe(data):
    join_room("bench")
    emit("subscribed", {})


@socketio.on("echo")
def echo(data):
    emit("echo", data)


@socketio.on("broadcast")
def broadcast(data):
    emit("broadcast", data, to="bench")
